package config

import "fluxgate.dev/fluxgate/internal/usage/price"

// PricesByModel are prices by the names of models.
type PricesByModel price.Table

// EnvDecode reads FLUXGATE_PRICES. The error lists everything that is wrong.
func (p *PricesByModel) EnvDecode(text string) error {
	if text == "" {
		return nil
	}
	table, err := price.Parse(text)
	if err == nil {
		*p = PricesByModel(table)
	}
	return err
}
