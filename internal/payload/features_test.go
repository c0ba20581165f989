package payload

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A feature is found in whatever Google would read as its name, and in no prompt that
// only speaks of it.
func TestFeatures(t *testing.T) {
	search, images := []string{SearchFeature}, []string{ImageFeature}
	for body, want := range map[string][]string{
		`{"tools":[{"google_search":{}}]}`:                                    search,
		`{"tools":[{"GoogleSearch":{}}]}`:                                     search,
		`{"tools":[{"google_search_retrieval":{}}]}`:                          search,
		`{"tools":[{"googleSearchRetrieval":{"dynamicRetrievalConfig":{}}}]}`: search,
		`{"tools":[{"type":"GOOGLE_SEARCH"}]}`:                                search,
		`{tools:[{Goo_gleMaps:{}}]}`:                                          {MapsFeature},
		`{"Response_modalities":["Image"]}`:                                   images,
		`{'tools':[{'googleSearch':{}},]}`:                                    search,
		`{tools:[{google_search` + strings.Repeat(" ", 500) + "\v" + `:{}}]}`: search,
		`{"tools":[{"google\u005fsearch":{}}]}`:                               search,
		`{"tools":[{"goog\le_search":{}}]}`:                                   search,
		`{"tools":[{"google\U005fsearch":{}}]}`:                               search,
		`{"text":"\n\"","tools":[{"urlContext":{}}]}`:                         {URLFeature},
		`{"generationConfig":{"responseModalities":["IM\u0041GE"],}}`:         images,
		`{"modalities":["text"],"responseModalities":["Text","Image"]}`:       images,
		`{"a":["modalities","modalities","iMaGe"]}`:                           images,
		`{"modalities":["text"],"a":"image"}`:                                 nil,
		`{"a":["modalities"` + strings.Repeat(" ", 240) + `,"modalities"` + strings.Repeat(" ", 240) + `"image"]}`: images,
		`{"a":["modalities"` + strings.Repeat(" ", 300) + `"image"]}`:                                              images,
		// Whoever fills up such a list would have what is refused of images booked on the model.
		`{"responseModalities":` + strings.Repeat(" ", 300) + `"IMAGE"}`:                     images,
		`{"responseModalities":[` + strings.Repeat(`"TEXT",`, 100) + `"IMAGE"]}`:             images,
		`{"a":"\n","responseModalities":[` + strings.Repeat(`"TEXT",`, 20_000) + `"IMAGE"]}`: images,
		`{"a":"\n","responseModalities"` + strings.Repeat(" ", 100_000) + `:["IMAGE"]}`:      images,
		`{"responseModalities":["TEXT"]` + strings.Repeat(" ", 100_000) + `,"a":"\nimage"}`:  nil,
		`{"responseModalities":[1,2]}`:                                                images, // as Google numbers them
		`{"responseModalities": 2}`:                                                   images,
		`{"responseModalities":[1,3],"a":[2]}`:                                        nil,
		`{"responseModalities":"TEXT","a":"` + strings.Repeat("x", 300) + `image 2"}`: nil,
		`{"text":"a google_search, or \"google_search\""}`:                            nil,
		`{"text":"google_search?"}`:                                                   nil,
	} {
		assert.Equal(t, want, Features([]byte(body)), body)
	}
}

// Whether a body says what kinds of output are wanted, images or not, however it spells that.
func TestOutputIsSaid(t *testing.T) {
	for body, want := range map[string]bool{
		`{"generationConfig":{"responseModalities":["TEXT"]}}`:            true,
		`{"generation_config":{"response_modalities" : ["TEXT"]}}`:        true,
		`{"generationConfig":{"response\u004dodalities":["TEXT"]}}`:       true,
		`{generationConfig:{responseModalities:['TEXT','IMAGE']}}`:        true,
		`{"model":"m","modalities":["text"]}`:                             true,
		`{"contents":[{"parts":[{"text":"a banana"}]}]}`:                  false,
		`{"contents":[{"parts":[{"text":"say \"modalities\": none"}]}]}`:  false,
		`{"contents":[{"parts":[{"text":"x"}]}],"tools":[{"a":{"b":1}}]}`: false,
		``: false,
	} {
		_, output := Asks([]byte(body))
		assert.Equal(t, want, output, body)
	}
}
