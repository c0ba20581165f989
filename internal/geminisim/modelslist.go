package geminisim

import (
	"encoding/base64"
	"net/http"
	"strconv"

	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// listModels pages through the models. The token of a page is the encoded
// number of models before it.
func (c *call) listModels() *wire.Error {
	query := c.R.URL.Query()
	listed := c.s.models.Listed()
	size := 50
	if v := query.Get("pageSize"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return wire.InvalidArgument("Invalid value at 'page_size' (TYPE_INT32)")
		}
		if n > 0 {
			size = min(n, 1000)
		}
	}
	from := 0
	if v := query.Get("pageToken"); v != "" {
		raw, _ := base64.RawURLEncoding.DecodeString(v) // undecodable: not a number either
		n, err := strconv.Atoi(string(raw))
		if err != nil || n < 0 || n > len(listed) {
			return wire.InvalidArgument("Invalid page token.")
		}
		from = n
	}
	page := struct {
		Models        []models.Info `json:"models"`
		NextPageToken string        `json:"nextPageToken,omitempty"`
	}{}
	to := min(from+size, len(listed))
	for _, m := range listed[from:to] {
		page.Models = append(page.Models, m.Info())
	}
	if to < len(listed) {
		page.NextPageToken = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	}
	c.WriteJSON(http.StatusOK, wire.Encode(page))
	return nil
}

func (c *call) getModel() *wire.Error {
	m := c.s.models.Find(c.route.model)
	if m == nil {
		return wire.ModelNotFound(c.version, c.route.model, "getModel")
	}
	c.WriteJSON(http.StatusOK, wire.Encode(m.Info()))
	return nil
}
