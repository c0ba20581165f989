// Package sizes estimates how many tokens a request's input has, in OpenAI's formats of chats, responses,
// embeddings, completions and moderations and in Anthropic's messages, where the provider isn't or can't be asked. It is
// pure: a body in, numbers out; it copies no text and knows no tokeniser.
//
//	s := sizes.Of(body, "gpt-5.5")
//	s.Likely     // to reserve; what it is off by is put right when the answer says what was counted
//	s.Most       // no request has more, unless s.Open
//	s.Characters // what OpenAI itself estimates by, before it knows better
//
// What the model reads counts: messages, instructions, tools and schemas, not the request's settings.
//
//   - Text. A byte is a token at most, since byte-level tokenisers never have more (those of all these
//     providers are, as far as is published). Likely are 3.5 bytes of ASCII, or two bytes of anything
//     else, which errs on the high side for prose.
//   - Images, by the formulas of the providers' guides (see image.go), from the width and height that
//     the image begins with. One whose size can't be told, such as one that is a URL, counts as the
//     largest that there is, for Most, and as one of 1,024 by 1,024, for Likely.
//   - Documents and audio. How many pages or seconds they have can't be told, nor what a file has that
//     is only named, a conversation that the provider keeps, or what its own tools bring: then Open is
//     set, and Most is no bound. Likely has a page for 32 KiB, and a second for 8,000 bytes.
//   - What the provider adds: a few tokens a message, and Anthropic's instructions for tools.
//
// The most output that a request asks for isn't read here.
//
// Files, from the top down; a file calls only those below it:
//
//   - sizes.go: Of, the size of a request
//   - content.go: what messages hold
//   - image.go: images, by the providers' formulas
//   - pixels.go: width and height of an image
//   - meter.go: texts and tokens added up
package sizes
