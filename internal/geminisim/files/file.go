package files

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"regexp"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/exchange"
	"fluxgate.dev/fluxgate/internal/geminisim/resources"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

const (
	fileLifetime = 48 * time.Hour
	maxFile      = 2 << 30 // bytes
)

// A file is one that was uploaded or generated.
type file struct {
	resources.Owned
	fileMeta
	size      int64
	hash      [32]byte // SHA-256
	content   []byte   // the first maxKept bytes
	generated bool     // it can be downloaded
}

// maxKept bounds how much of what is in a file is kept.
const maxKept = 1 << 20

// A kept keeps the beginning of what is written to it.
type kept struct{ content []byte }

func (k *kept) Write(p []byte) (int, error) {
	k.content = append(k.content, p[:min(len(p), maxKept-len(k.content))]...)
	return len(p), nil
}

// A fileMeta is what an upload says about the file.
type fileMeta struct {
	displayName string
	mime        string
}

// A View is a file as the API shows it.
type View struct {
	Name           string `json:"name"`
	DisplayName    string `json:"displayName,omitempty"`
	MIMEType       string `json:"mimeType"`
	SizeBytes      int64  `json:"sizeBytes,string"`
	CreateTime     string `json:"createTime"`
	UpdateTime     string `json:"updateTime"`
	ExpirationTime string `json:"expirationTime"`
	SHA256Hash     string `json:"sha256Hash"`
	URI            string `json:"uri"`
	State          string `json:"state"`
	Source         string `json:"source"`
}

// errFile doesn't tell a file of another project from one that isn't there.
func errFile(id string) *wire.Error {
	return wire.PermissionDenied("You do not have permission to access the File " + id + " or it may not exist.")
}

// fileID is how the API bounds the IDs that a client may choose.
var fileID = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$`)

func errFileExists(id string) *wire.Error {
	return &wire.Error{Code: http.StatusConflict, Status: "ALREADY_EXISTS", Message: "Resource files/" + id + " already exists."}
}

// view returns a file as it is shown to a request.
func (s *Service) view(x *exchange.Exchange, f *file) View {
	source := "UPLOADED"
	if f.generated {
		source = "GENERATED"
	}
	return View{
		Name:           "files/" + f.ID,
		DisplayName:    f.displayName,
		MIMEType:       f.mime,
		SizeBytes:      f.size,
		CreateTime:     wire.Timestamp(f.Created),
		UpdateTime:     wire.Timestamp(f.Updated),
		ExpirationTime: wire.Timestamp(f.Expires),
		// The base64 not of the hash but of its hexadecimal digits, as in captures
		// of the real service.
		SHA256Hash: base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(f.hash[:]))),
		URI:        s.URIBase(x) + "/v1beta/files/" + f.ID,
		State:      "ACTIVE",
		Source:     source,
	}
}

// URIBase returns what the URLs begin with by which files are named.
func (s *Service) URIBase(x *exchange.Exchange) string {
	if s.cfg.URIBase != "" {
		return s.cfg.URIBase
	}
	return x.OwnBase()
}
