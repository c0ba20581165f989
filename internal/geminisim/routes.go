package geminisim

import (
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/geminisim/longrunning"
)

// operation is what a path asks for.
type operation int

const (
	opNone operation = iota
	opListModels
	opGetModel
	opGenerate
	opStream
	opCount
	opEmbed
	opBatchEmbed
	opChat             // openai/chat/completions
	opOpenAIEmbeddings // openai/embeddings
	opOpenAIModels     // openai/models
	opOpenAIModel      // openai/models/{model}
	opUpload           // upload/…/files, of every protocol
	opListFiles
	opGetFile
	opDeleteFile
	opCreateCache
	opListCaches
	opGetCache
	opPatchCache
	opDeleteCache
	opCreateInteraction
	opGetInteraction
	opDeleteInteraction
	opCancelInteraction
	opDownload // of what is in a file
	opPredict
	opPredictLongRunning
	opCreateBatch
	opLongRunning // what package longrunning serves
	opImages      // openai/images/generations
	opCreateToken
)

// nativeMethods are the methods that follow a model's name and a colon.
var nativeMethods = map[string]operation{
	"generateContent":        opGenerate,
	"streamGenerateContent":  opStream,
	"countTokens":            opCount,
	"embedContent":           opEmbed,
	"batchEmbedContents":     opBatchEmbed,
	"predict":                opPredict,
	"predictLongRunning":     opPredictLongRunning,
	"batchGenerateContent":   opCreateBatch,
	"asyncBatchEmbedContent": opCreateBatch,
}

// resourceMethods are the operations on resources of a project. A slash at the
// end stands for an ID.
var resourceMethods = map[string]operation{
	"GET files":              opListFiles,
	"GET files/":             opGetFile,
	"DELETE files/":          opDeleteFile,
	"POST cachedContents":    opCreateCache,
	"GET cachedContents":     opListCaches,
	"GET cachedContents/":    opGetCache,
	"PATCH cachedContents/":  opPatchCache,
	"DELETE cachedContents/": opDeleteCache,
	"POST interactions":      opCreateInteraction,
	"GET interactions/":      opGetInteraction,
	"DELETE interactions/":   opDeleteInteraction,
}

// logged tells whether requests of this kind appear in [Server.Log].
func (op operation) logged() bool {
	switch op {
	case opGenerate, opStream, opEmbed, opBatchEmbed, opChat, opOpenAIEmbeddings, opCreateInteraction, opPredict, opPredictLongRunning, opImages:
		return true
	default:
		return false
	}
}

// rpc returns the name of the gRPC method behind an operation, as the error for
// a blocked key has it.
func (op operation) rpc(version string) string {
	name := "GenerativeService.GenerateContent"
	switch op {
	case opUpload:
		name = "FileService.CreateFile"
	case opDownload:
		name = "FileService.DownloadFile"
	case opCreateBatch:
		name = "GenerativeService.BatchGenerateContent"
	case opPredict, opPredictLongRunning, opImages:
		name = "PredictionService.Predict"
	case opListFiles:
		name = "FileService.ListFiles"
	case opGetFile:
		name = "FileService.GetFile"
	case opDeleteFile:
		name = "FileService.DeleteFile"
	case opCreateCache:
		name = "CacheService.CreateCachedContent"
	case opListCaches:
		name = "CacheService.ListCachedContents"
	case opGetCache:
		name = "CacheService.GetCachedContent"
	case opPatchCache:
		name = "CacheService.UpdateCachedContent"
	case opDeleteCache:
		name = "CacheService.DeleteCachedContent"
	case opCreateInteraction, opGetInteraction, opDeleteInteraction, opCancelInteraction:
		name = "InteractionService"
	case opCreateToken:
		name = "AuthTokenService.CreateToken"
	case opListModels, opOpenAIModels:
		name = "ModelService.ListModels"
	case opGetModel, opOpenAIModel:
		name = "ModelService.GetModel"
	case opStream:
		name = "GenerativeService.StreamGenerateContent"
	case opCount:
		name = "GenerativeService.CountTokens"
	case opEmbed, opOpenAIEmbeddings:
		name = "GenerativeService.EmbedContent"
	case opBatchEmbed:
		name = "GenerativeService.BatchEmbedContents"
	}
	return "google.ai.generativelanguage." + version + "." + name
}

type route struct {
	op      operation
	version string // v1beta, v1 or v1alpha
	model   string // as named in the path
	method  string // after the colon
	id      string // of a file or a cached content, or the path of what package longrunning serves
	openai  bool
}

// parseRoute returns what a method and a path mean; one that means nothing has no operation.
func parseRoute(method, path string) route {
	path, uploading := strings.CutPrefix(strings.TrimPrefix(path, "/"), "upload/")
	path, downloading := strings.CutPrefix(path, "download/")
	version, rest, _ := strings.Cut(path, "/")
	if version != "v1beta" && version != "v1" && version != "v1alpha" {
		return route{version: "v1beta"}
	}
	rt := route{version: version}
	collection, id, hasID := strings.Cut(rest, "/")
	switch {
	case uploading:
		rt.upload(method, rest)
	case collection == "files" && method == http.MethodGet && strings.HasSuffix(id, ":download"):
		rt.op, rt.id = opDownload, strings.TrimSuffix(id, ":download")
	case downloading:
	case longrunning.Serves(rest):
		rt.op = opLongRunning
		rt.id, rt.method, _ = strings.Cut(rest, ":")
	case collection == "files" || collection == "cachedContents" || collection == "interactions":
		rt.resource(method, collection, id, hasID)
	case rest == "auth_tokens" && version == "v1alpha" && method == http.MethodPost:
		rt.op = opCreateToken
	default:
		rest, rt.openai = strings.CutPrefix(rest, "openai/")
		rt.ofModel(method, rest)
	}
	return rt
}

// upload is the route of what is below upload/.
func (rt *route) upload(method, rest string) {
	if rest == "files" && (method == http.MethodPost || method == http.MethodPut) {
		rt.op = opUpload
	}
	if store, ok := strings.CutSuffix(rest, ":uploadToFileSearchStore"); ok && strings.HasPrefix(store, "fileSearchStores/") {
		rt.op, rt.id = opUpload, store
	}
}

// resource is the route of a resource of a project, or of all of them.
func (rt *route) resource(method, collection, id string, hasID bool) {
	if of, ok := strings.CutSuffix(id, "/cancel"); ok && collection == "interactions" && method == http.MethodPost {
		rt.op, rt.id = opCancelInteraction, of
		return
	}
	if hasID {
		collection += "/"
	}
	if hasID == (id != "") && !strings.ContainsAny(id, "/:") {
		rt.op, rt.id = resourceMethods[method+" "+collection], id
	}
}

// ofModel is the route of models and of all that they answer, in both formats.
func (rt *route) ofModel(method, rest string) {
	want := http.MethodPost
	switch {
	case rt.openai && rest == "chat/completions":
		rt.op = opChat
	case rt.openai && rest == "images/generations":
		rt.op = opImages
	case rt.openai && rest == "embeddings":
		rt.op = opOpenAIEmbeddings
	case rest == "models":
		rt.op, want = opListModels, http.MethodGet
		if rt.openai {
			rt.op = opOpenAIModels
		}
	case strings.HasPrefix(rest, "models/"):
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "models/"), "models/")
		var hasMethod bool
		rt.model, rt.method, hasMethod = strings.Cut(rest, ":")
		switch {
		case rt.openai:
			rt.op, want = opOpenAIModel, http.MethodGet
		case hasMethod:
			rt.op = nativeMethods[rt.method]
		default:
			rt.op, want = opGetModel, http.MethodGet
		}
	}
	if method != want {
		rt.op = opNone
	}
}
