package clients

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genai"

	"fluxgate.dev/fluxgate/internal/geminisim"
)

// ready is longer than what goes on after its answer takes in the simulator.
const ready = 5 * time.Second

func (c *goClient) batch(t *testing.T) {
	file, err := c.Files.Upload(t.Context(), strings.NewReader(
		`{"key":"one","request":{"contents":[{"role":"user","parts":[{"text":"Hello from a batch"}]}]}}`+"\n"),
		&genai.UploadFileConfig{MIMEType: "application/jsonl", DisplayName: "requests"})
	require.NoError(t, err)
	job, err := c.Batches.Create(t.Context(), roomy, &genai.BatchJobSource{FileName: file.Name}, &genai.CreateBatchJobConfig{DisplayName: "job"})
	require.NoError(t, err)
	require.Equal(t, genai.JobStatePending, job.State)

	c.w.clock.forward(ready)
	job, err = c.Batches.Get(t.Context(), job.Name, nil)
	require.NoError(t, err)
	require.Equal(t, genai.JobStateSucceeded, job.State)
	result, err := c.Files.Download(t.Context(), genai.NewDownloadURIFromFile(&genai.File{DownloadURI: job.Dest.FileName}), nil)
	require.NoError(t, err)
	assert.Contains(t, string(result), geminisim.Translate("Hello from a batch"))

	// One whose requests are in it is answered in it.
	inline, err := c.Batches.Create(t.Context(), roomy, &genai.BatchJobSource{InlinedRequests: []*genai.InlinedRequest{{Contents: genai.Text("Within")}}}, nil)
	require.NoError(t, err)
	c.w.clock.forward(ready)
	inline, err = c.Batches.Get(t.Context(), inline.Name, nil)
	require.NoError(t, err)
	require.Len(t, inline.Dest.InlinedResponses, 1)
	assert.Equal(t, geminisim.Translate("Within"), inline.Dest.InlinedResponses[0].Response.Text())

	var names []string
	for other, err := range c.Batches.All(t.Context()) {
		require.NoError(t, err)
		names = append(names, other.Name)
	}
	assert.ElementsMatch(t, []string{job.Name, inline.Name}, names)
	require.NoError(t, c.Batches.Cancel(t.Context(), job.Name, nil))
	_, err = c.Batches.Delete(t.Context(), job.Name, nil)
	require.NoError(t, err)
	_, err = c.Batches.Get(t.Context(), job.Name, nil)
	var failure genai.APIError
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, 404, failure.Code)
}

func (c *goClient) store(t *testing.T) {
	store, err := c.FileSearchStores.Create(t.Context(), &genai.CreateFileSearchStoreConfig{DisplayName: "notes"})
	require.NoError(t, err)
	operation, err := c.FileSearchStores.UploadToFileSearchStore(t.Context(), strings.NewReader("Bananas are yellow."), store.Name,
		&genai.UploadToFileSearchStoreConfig{MIMEType: "text/plain", DisplayName: "fruit"})
	require.NoError(t, err)
	require.False(t, operation.Done)
	c.w.clock.forward(ready)
	operation, err = c.Operations.GetUploadToFileSearchStoreOperation(t.Context(), operation, nil)
	require.NoError(t, err)
	require.True(t, operation.Done)

	documents, err := c.FileSearchStores.Documents.List(t.Context(), store.Name, nil)
	require.NoError(t, err)
	require.Len(t, documents.Items, 1)
	assert.Equal(t, "fruit", documents.Items[0].DisplayName)
	answer, err := c.Models.GenerateContent(t.Context(), roomy, genai.Text("What is yellow?"), &genai.GenerateContentConfig{
		Tools: []*genai.Tool{{FileSearch: &genai.FileSearch{FileSearchStoreNames: []string{store.Name}}}},
	})
	require.NoError(t, err)
	assert.Equal(t, geminisim.Translate("What is yellow?"), answer.Text())
	require.NotNil(t, answer.Candidates[0].GroundingMetadata)
	assert.Equal(t, "Bananas are yellow.", answer.Candidates[0].GroundingMetadata.GroundingChunks[0].RetrievedContext.Text)
	// What is uploaded by itself is put where it can be imported.
	file, err := c.Files.Upload(t.Context(), strings.NewReader("Apples are red."), &genai.UploadFileConfig{MIMEType: "text/plain"})
	require.NoError(t, err)
	_, err = c.FileSearchStores.ImportFile(t.Context(), store.Name, file.Name, nil)
	require.NoError(t, err)
	require.NoError(t, c.FileSearchStores.Delete(t.Context(), store.Name, &genai.DeleteFileSearchStoreConfig{Force: genai.Ptr(true)}))
	_, err = c.FileSearchStores.Get(t.Context(), store.Name, nil)
	assert.Error(t, err)
}

func (c *goClient) video(t *testing.T) {
	operation, err := c.Models.GenerateVideosFromSource(t.Context(), video, &genai.GenerateVideosSource{Prompt: "a banana"}, nil)
	require.NoError(t, err)
	require.False(t, operation.Done)
	c.w.clock.forward(ready)
	operation, err = c.Operations.GetVideosOperation(t.Context(), operation, nil)
	require.NoError(t, err)
	require.True(t, operation.Done)
	require.Len(t, operation.Response.GeneratedVideos, 1)
	content, err := c.Files.Download(t.Context(), genai.NewDownloadURIFromGeneratedVideo(operation.Response.GeneratedVideos[0]), nil)
	require.NoError(t, err)
	assert.Equal(t, "A video of a banana", string(content))
}
