package s3test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signature Version 4, as the AWS documentation "Authenticating Requests (AWS Signature Version 4)" defines it for
// S3: the path is encoded once, not twice, and the payload may be unsigned.

const (
	sigAlgorithm = "AWS4-HMAC-SHA256"
	sigTime      = "20060102T150405Z"
	maxSkew      = 15 * time.Minute
	maxExpires   = 7 * 24 * time.Hour

	emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// signer is who signed a request and with what; chunks of the body are signed with the same key.
type signer struct {
	key       []byte
	scope     string
	time      string
	signature string
	payload   string // x-amz-content-sha256 or UNSIGNED-PAYLOAD
}

// claim is what a request says about its signature, unchecked.
type claim struct {
	accessKey             string
	date, region, service string
	headers               []string
	signature, time       string
	presigned             bool
	expires               time.Duration
}

// authenticate checks who asks. The error is S3's.
func (c *call) authenticate() error {
	switch {
	case c.r.Header.Get("Authorization") != "":
		return c.authenticateHeader()
	case c.q.Has("X-Amz-Signature") || c.q.Has("X-Amz-Algorithm"):
		return c.authenticateQuery()
	case c.s.opts.Anonymous:
		return nil
	default:
		return fail(403, "AccessDenied", "Access Denied")
	}
}

func (c *call) authenticateHeader() error {
	const code = "AuthorizationHeaderMalformed"
	fields, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), sigAlgorithm+" ")
	if !ok {
		return fail(400, "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use %s.", sigAlgorithm)
	}
	cl := claim{time: c.r.Header.Get("X-Amz-Date")}
	var credential string
	for field := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			credential = value
		case "SignedHeaders":
			cl.headers = strings.Split(value, ";")
		case "Signature":
			cl.signature = value
		}
	}
	if err := cl.scope(code, credential); err != nil {
		return err
	}
	payload := c.r.Header.Get("X-Amz-Content-Sha256")
	if payload == "" {
		return fail(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
	}
	return c.check(code, &cl, payload)
}

func (c *call) authenticateQuery() error {
	const code = "AuthorizationQueryParametersError"
	if c.q.Get("X-Amz-Algorithm") != sigAlgorithm {
		return fail(400, code, "X-Amz-Algorithm only supports %q", sigAlgorithm)
	}
	seconds, err := strconv.ParseInt(c.q.Get("X-Amz-Expires"), 10, 64)
	if err != nil || seconds < 0 || seconds > int64(maxExpires/time.Second) {
		return fail(400, code, "X-Amz-Expires must be a number of seconds, at most a week")
	}
	cl := claim{
		time: c.q.Get("X-Amz-Date"), signature: c.q.Get("X-Amz-Signature"),
		headers:   strings.Split(c.q.Get("X-Amz-SignedHeaders"), ";"),
		presigned: true, expires: time.Duration(seconds) * time.Second,
	}
	if err := cl.scope(code, c.q.Get("X-Amz-Credential")); err != nil {
		return err
	}
	payload := c.r.Header.Get("X-Amz-Content-Sha256")
	if payload == "" {
		payload = unsignedPayload
	}
	return c.check(code, &cl, payload)
}

// scope takes a Credential apart: key/date/region/service/aws4_request.
func (cl *claim) scope(code, credential string) error {
	parts := strings.Split(credential, "/")
	if len(parts) < 5 || parts[len(parts)-1] != "aws4_request" {
		return fail(400, code, "The Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
	}
	n := len(parts)
	cl.accessKey = strings.Join(parts[:n-4], "/")
	cl.date, cl.region, cl.service = parts[n-4], parts[n-3], parts[n-2]
	return nil
}

// check compares the claim with what this server knows, in S3's order: key, region, time, signature.
func (c *call) check(code string, cl *claim, payload string) error {
	o := &c.s.opts
	if cl.accessKey != o.AccessKey {
		return fail(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.").
			with("AWSAccessKeyId", cl.accessKey)
	}
	if cl.region != o.Region {
		c.w.Header().Set("X-Amz-Bucket-Region", o.Region)
		return fail(400, code, "The authorization header is malformed; the region '%s' is wrong; expecting '%s'",
			cl.region, o.Region).with("Region", o.Region)
	}
	if cl.service != "s3" {
		return fail(400, code, "The Credential is mal-formed; incorrect service %q. This endpoint belongs to \"s3\".", cl.service)
	}
	if err := cl.checkTime(o.Now()); err != nil {
		return err
	}
	if h := unsignedHeader(c.r.Header, cl.headers); h != "" {
		return fail(403, "AccessDenied", "There were headers present in the request which were not signed").
			with("HeadersNotSigned", h)
	}
	canonical := canonicalRequest(c.r, cl, payload)
	sum := sha256.Sum256([]byte(canonical))
	s := &signer{
		key:   signingKey(o.SecretKey, cl.date, cl.region, cl.service),
		scope: strings.Join([]string{cl.date, cl.region, cl.service, "aws4_request"}, "/"),
		time:  cl.time, signature: cl.signature, payload: payload,
	}
	toSign := strings.Join([]string{sigAlgorithm, s.time, s.scope, hex.EncodeToString(sum[:])}, "\n")
	if !hmac.Equal([]byte(s.sign(toSign)), []byte(cl.signature)) {
		return fail(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you "+
			"provided. Check your key and signing method.").
			with("AWSAccessKeyId", cl.accessKey).with("StringToSign", toSign).with("CanonicalRequest", canonical)
	}
	c.signed = s
	return nil
}

func (cl *claim) checkTime(now time.Time) error {
	at, err := time.Parse(sigTime, cl.time)
	if err != nil || !strings.HasPrefix(cl.time, cl.date) {
		return fail(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
	}
	skew := now.Sub(at)
	switch {
	case cl.presigned && skew > cl.expires:
		return fail(403, "AccessDenied", "Request has expired").with("X-Amz-Expires", strconv.Itoa(int(cl.expires/time.Second)))
	case cl.presigned && skew < -maxSkew:
		return fail(403, "AccessDenied", "Request is not yet valid")
	case !cl.presigned && skew.Abs() > maxSkew:
		return fail(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.").
			with("RequestTime", cl.time).with("ServerTime", now.UTC().Format(time.RFC3339)).
			with("MaxAllowedSkewMilliseconds", strconv.FormatInt(maxSkew.Milliseconds(), 10))
	}
	return nil
}

// unsignedHeader names a header that must be signed and is not; "" if there is none.
func unsignedHeader(h http.Header, signed []string) string {
	if !slices.Contains(signed, "host") {
		return "host"
	}
	for name := range h {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-amz-") && name != "x-amz-content-sha256" && !slices.Contains(signed, name) {
			return name
		}
	}
	return ""
}

func canonicalRequest(r *http.Request, cl *claim, payload string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n")
	b.WriteString(awsEscape(r.URL.Path, true) + "\n")
	b.WriteString(canonicalQuery(r.URL.Query()) + "\n")
	for _, name := range cl.headers {
		b.WriteString(name + ":" + canonicalHeader(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(cl.headers, ";") + "\n" + payload)
	return b.String()
}

func canonicalHeader(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	case "transfer-encoding":
		return strings.Join(r.TransferEncoding, ",")
	}
	var values []string
	for _, v := range r.Header.Values(name) {
		values = append(values, strings.Join(strings.Fields(v), " "))
	}
	return strings.Join(values, ",")
}

func canonicalQuery(q url.Values) string {
	var pairs []string
	for name, values := range q {
		if name == "X-Amz-Signature" {
			continue
		}
		for _, v := range values {
			pairs = append(pairs, awsEscape(name, false)+"="+awsEscape(v, false))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// awsEscape is the documentation's UriEncode.
func awsEscape(s string, keepSlash bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~',
			c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}

func (s *signer) sign(text string) string { return hex.EncodeToString(hmacSHA256(s.key, text)) }

func signingKey(secret, date, region, service string) []byte {
	key := hmacSHA256([]byte("AWS4"+secret), date)
	key = hmacSHA256(key, region)
	key = hmacSHA256(key, service)
	return hmacSHA256(key, "aws4_request")
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
