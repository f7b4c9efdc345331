package answer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"

	"hydrant/source"
)

// classify gives a kind to an error of the transport. What is an error of package source already
// keeps its own. URLs are cut off: they may hold secrets, and the caller names the blob anyway.
func classify(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if isOurs(err) || source.KindOf(err) != source.Final {
		return err
	}
	if wrong := explain(err); wrong != "" {
		return fmt.Errorf("%w: %s", err, wrong)
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the server closed the connection without an answer: %w", err)
	}
	if isTransport(err) {
		return source.WithKind(err, source.Transient)
	}
	return err
}

func isOurs(err error) bool {
	for _, ours := range []error{source.ErrChanged, source.ErrNotFound, source.ErrDenied, source.ErrNoRanges, source.ErrBadAnswer} {
		if errors.Is(err, ours) {
			return true
		}
	}
	return false
}

// explain returns what to do about an error of the transport that does not go away by itself.
func explain(err error) string {
	var (
		dns    *net.DNSError
		cert   *tls.CertificateVerificationError
		signer x509.UnknownAuthorityError
		record tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "check the host name"
	case errors.As(err, &signer), errors.As(err, &cert):
		return "the server's certificate is not trusted"
	case errors.As(err, &record):
		return "the server does not speak TLS, use http://"
	}
	return ""
}

// isTransport says whether err is one of a connection: broken, refused, timed out, cut short.
func isTransport(err error) bool {
	var op net.Error
	var errno syscall.Errno
	return errors.As(err, &op) || errors.As(err, &errno) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
