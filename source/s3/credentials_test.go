package s3

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hydrant/source"
)

var quiet = log.New(io.Discard, "", 0)

func writeBundle(t *testing.T, cert *x509.Certificate) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func withoutCredentials(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
}

func TestNoCredentials(t *testing.T) {
	s := startServer(t, blob.Bytes(1000))
	withoutCredentials(t)
	_, _, err := s.open(t).Identify(t.Context(), 16)
	if !errors.Is(err, source.ErrDenied) || source.KindOf(err) != source.Final || !strings.Contains(err.Error(), "set AWS_ACCESS_KEY_ID") {
		t.Errorf("got %v", err)
	}
	if len(s.requests()) != 0 {
		t.Error("a request was sent all the same")
	}
}

// A metadata service that is not there takes no longer to find out than anyone would wait.
func TestNoMetadataService(t *testing.T) {
	if testing.Short() {
		t.Skip("waits in real time for what does not answer")
	}
	s := startServer(t, blob.Bytes(1000))
	withoutCredentials(t)
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://"+mute.Addr().String())
	begin := time.Now()
	_, _, err = s.open(t).Identify(t.Context(), 16)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if !errors.Is(err, source.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func TestMetadataService(t *testing.T) {
	s := startServer(t, blob.Bytes(1000))
	withoutCredentials(t)
	imds := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "600")
			fmt.Fprint(w, "token")
		case "/latest/meta-data/iam/security-credentials/":
			fmt.Fprint(w, "role")
		case "/latest/meta-data/iam/security-credentials/role":
			fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":"id","SecretAccessKey":"hush","Token":"t","Expiration":%q}`,
				time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		default:
			http.NotFound(w, r)
		}
	}))
	defer imds.Close()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.URL)
	if _, _, err := s.open(t).Identify(t.Context(), 16); err != nil {
		t.Error(err)
	}
}

func TestProfile(t *testing.T) {
	s := startServer(t, blob.Bytes(1000))
	withoutCredentials(t)
	path := filepath.Join(t.TempDir(), "credentials")
	text := "[work]\naws_access_key_id = id\naws_secret_access_key = hush\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", path)
	src, err := Open(t.Context(), s.url()+"&profile=work", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if _, _, err := src.Identify(t.Context(), 16); err != nil {
		t.Error(err)
	}
	_, err = Open(t.Context(), s.url()+"&profile=play", Options{})
	if !errors.Is(err, source.ErrDenied) || !strings.Contains(err.Error(), `no profile "play"`) {
		t.Errorf("got %v", err)
	}
}

// The endpoint may come from the environment; the bucket is then in the path as well.
func TestEndpointFromEnvironment(t *testing.T) {
	s := startServer(t, blob.Bytes(1000))
	t.Setenv("AWS_ENDPOINT_URL_S3", s.URL)
	src, err := Open(t.Context(), "s3://bucket/dir/blob.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if _, _, err := src.Identify(t.Context(), 16); err != nil {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	isolate(t)
	if _, err := Open(t.Context(), "s3://b/k", Options{Connections: -1}); err == nil || !strings.Contains(err.Error(), "Connections is -1") {
		t.Errorf("got %v", err)
	}
}
