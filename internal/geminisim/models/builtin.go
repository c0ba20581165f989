package models

// builtIn returns the models that exist anyway, in the order of the list.
func builtIn() []*Model {
	text := func(name, resolved, display string) *Model {
		return &Model{Name: name, Resolved: resolved, Display: display, Kind: Text,
			Input: InputTokenLimit, Output: OutputTokenLimit}
	}
	return []*Model{
		text("gemini-2.5-pro", "gemini-2.5-pro", "Gemini 2.5 Pro"),
		text("gemini-2.5-flash", "gemini-2.5-flash", "Gemini 2.5 Flash"),
		text("gemini-2.5-flash-lite", "gemini-2.5-flash-lite", "Gemini 2.5 Flash-Lite"),
		text("gemini-3.1-pro-preview", "gemini-3.1-pro-preview", "Gemini 3.1 Pro Preview"),
		text("gemini-3-flash-preview", "gemini-3-flash-preview", "Gemini 3 Flash Preview"),
		text("gemini-3.1-flash-lite-preview", "gemini-3.1-flash-lite-preview", "Gemini 3.1 Flash-Lite Preview"),
		text("gemini-pro-latest", "gemini-2.5-pro", "Gemini Pro Latest"),
		text("gemini-flash-latest", "gemini-2.5-flash", "Gemini Flash Latest"),
		text("gemini-flash-lite-latest", "gemini-2.5-flash-lite", "Gemini Flash-Lite Latest"),
		{Name: "gemini-2.5-flash-image", Resolved: "gemini-2.5-flash-image", Display: "Nano Banana",
			Kind: Image, Input: 32_768, Output: 32_768},
		{Name: "gemini-2.5-flash-preview-tts", Resolved: "gemini-2.5-flash-preview-tts",
			Display: "Gemini 2.5 Flash Preview TTS", Kind: Speech, Input: 8192, Output: 16_384},
		{Name: "gemini-embedding-001", Resolved: "gemini-embedding-001", Display: "Gemini Embedding 001",
			Kind: Embedding, Input: 2048, Output: 1},
		{Name: "imagen-4.0-generate-001", Resolved: "imagen-4.0-generate-001", Display: "Imagen 4",
			Kind: Predict, Input: 480, Output: 8192},
		{Name: "veo-3.0-generate-001", Resolved: "veo-3.0-generate-001", Display: "Veo 3", Kind: Video, Input: 480, Output: 8192},
		{Name: "gemini-3.8-live", Resolved: "gemini-3.8-live", Display: "Gemini 3.8 Live",
			Kind: Live, Input: 131_072, Output: 65_536},
	}
}
