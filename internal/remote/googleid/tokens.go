package googleid

import (
	"context"

	"google.golang.org/api/idtoken"
)

// Default opens application default credentials, and returns what gets ID tokens for an audience by them.
func Default(ctx context.Context, audience string) (token func() (string, error), err error) {
	source, err := idtoken.NewTokenSource(ctx, audience)
	if err != nil {
		return nil, err
	}
	return func() (string, error) {
		t, err := source.Token()
		if err != nil {
			return "", err
		}
		return t.AccessToken, nil
	}, nil
}
