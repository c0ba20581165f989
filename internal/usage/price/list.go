package price

// list is the built-in table, as FLUXGATE_PRICES is written, looked up on 2026-11-29. Google
// publishes its prices at https://ai.google.dev/gemini-api/docs/pricing, which could not be read
// itself: they are those that these name, which cite it:
//
//   - 2.5 pro, flash and flash-lite, with caches: Portkey-AI/models #626, docs.rs/adk-gemini 0.8.0
//   - 3 flash: simonw/llm-prices #40
//   - 3.1 flash-lite: theopenco/llmgateway #2203 (May 2026)
//   - 3.5 flash-lite and 3.6 flash: simonw/llm-prices #64, suurt8ll/open_webui_functions #269 (July 2026)
//   - embedding 001: developers.googleblog.com, "Gemini Embedding now generally available" (July 2025)
//   - 3.8 flash: BerriAI/litellm discussion 39357 (September 2026), half of the price until
//     31 December 2026
//
// Of a model that isn't among them no price is told.
const list = `{
	"gemini-2.5-pro": {"input": 1.25, "output": 10, "cached": 0.125, "over": 200000, "input_over": 2.5, "output_over": 15, "cached_over": 0.25},
	"gemini-2.5-flash": {"input": 0.30, "output": 2.50, "cached": 0.03},
	"gemini-2.5-flash-lite": {"input": 0.10, "output": 0.40, "cached": 0.01},
	"gemini-3-flash": {"input": 0.50, "output": 3},
	"gemini-3.1-flash-lite": {"input": 0.25, "output": 1.50, "cached": 0.025},
	"gemini-3.5-flash-lite": {"input": 0.30, "output": 2.50, "cached": 0.03},
	"gemini-3.6-flash": {"input": 1.50, "output": 7.50},
	"gemini-3.8-flash": {"input": 0.75, "output": 3.75, "cached": 0.075},
	"gemini-embedding-001": {"input": 0.15, "output": 0}
}`

// from2027 is what takes the place of prices that end with 2026.
const from2027 = `{"gemini-3.8-flash": {"input": 1.50, "output": 7.50, "cached": 0.15}}`

// List returns the prices that are built in, on a date (YYYY-MM-DD).
func List(date string) Table {
	t := mustParse(list)
	if date >= "2027" {
		t = t.With(mustParse(from2027))
	}
	return t
}

func mustParse(text string) Table {
	t, err := Parse(text)
	if err != nil {
		panic(err) // it is a constant
	}
	return t
}
