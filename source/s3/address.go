package s3

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hydrant/source"
)

// Address is where an object is: s3://bucket/key with a query of options.
type Address struct {
	// Bucket and Key name the object.
	Bucket, Key string
	// Endpoint is the http(s) URL of a server that is not Amazon's. "" leaves it to the SDK's
	// configuration (AWS_ENDPOINT_URL_S3 and its kin).
	Endpoint string
	// Region is the region of the bucket. "" leaves it to the SDK's configuration, and where
	// that has none it is us-east-1.
	Region string
	// PathStyle puts the bucket in the path, not in the host name. nil means: exactly with an
	// endpoint, from wherever it comes.
	PathStyle *bool
	// VersionID chooses a version of the object. "" means the current one.
	VersionID string
	// Profile is the section of the SDK's configuration files to use. "" means its default.
	Profile string
}

// options are the keys of the query, each with its place in the address.
var options = map[string]func(a *Address, value string) error{
	"endpoint":   setEndpoint,
	"region":     func(a *Address, v string) error { a.Region = v; return nil },
	"path-style": setPathStyle,
	"versionId":  func(a *Address, v string) error { a.VersionID = v; return nil },
	"profile":    func(a *Address, v string) error { a.Profile = v; return nil },
}

// ParseURL reads an s3: URL. The key is everything after the slash that ends the bucket, with %XX
// undone. Unknown options are an error, and so are credentials: they are the SDK's business.
func ParseURL(s string) (Address, error) {
	a, err := parseURL(s)
	if err != nil {
		return Address{}, fmt.Errorf("s3 address: %w", err)
	}
	return a, nil
}

func parseURL(s string) (Address, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Address{}, withoutURL(err)
	}
	switch {
	case u.Scheme != "s3" || u.Opaque != "":
		return Address{}, errors.New("want s3://bucket/key")
	case u.User != nil:
		return Address{}, errors.New("credentials do not belong into the URL, set AWS_ACCESS_KEY_ID or profile=")
	case u.Fragment != "" || strings.Contains(s, "#"):
		return Address{}, errors.New("write %23 for a # in the key")
	}
	a := Address{Bucket: u.Host, Key: strings.TrimPrefix(u.Path, "/")}
	switch {
	case !bucketName(a.Bucket):
		return Address{}, fmt.Errorf("%q is not the name of a bucket", a.Bucket)
	case a.Key == "":
		return Address{}, errors.New("names no object: want s3://bucket/key")
	}
	if err := a.setOptions(u.RawQuery); err != nil {
		return Address{}, err
	}
	if n := len(a.String()); n > source.MaxURL {
		return Address{}, fmt.Errorf("is %d bytes long, at most %d can be recorded", n, source.MaxURL)
	}
	return a, nil
}

// bucketName accepts what any server may call a bucket and what is safe in a URL. Which names
// Amazon allows is Amazon's to say.
func bucketName(s string) bool {
	for _, c := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", c) {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 255
}

func (a *Address) setOptions(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	for key, v := range values {
		set, ok := options[key]
		if !ok {
			return fmt.Errorf("unknown option %q, known are endpoint, region, path-style, versionId and profile", key)
		}
		if len(v) != 1 || v[0] == "" {
			return fmt.Errorf("option %s wants one value", key)
		}
		if err := set(a, v[0]); err != nil {
			return err
		}
	}
	return nil
}

func setEndpoint(a *Address, s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("endpoint: %w", withoutURL(err))
	case u.User != nil:
		return errors.New("endpoint: credentials do not belong into the URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("endpoint: want http://host or https://host, with a port and a path at most")
	}
	a.Endpoint = strings.TrimSuffix(u.String(), "/")
	return nil
}

func setPathStyle(a *Address, s string) error {
	on, err := strconv.ParseBool(s)
	if err != nil {
		return fmt.Errorf("path-style: %q is neither true nor false", s)
	}
	a.PathStyle = &on
	return nil
}

// withoutURL drops the URL that package url repeats in its errors: there may be secrets in it.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// String is the canonical URL: two addresses are the same exactly when it is.
func (a Address) String() string {
	var query []string
	add := func(key, value string) {
		if value != "" {
			query = append(query, key+"="+legible.Replace(url.QueryEscape(value)))
		}
	}
	add("endpoint", a.Endpoint)
	add("region", a.Region)
	if a.PathStyle != nil {
		add("path-style", strconv.FormatBool(*a.PathStyle))
	}
	add("versionId", a.VersionID)
	add("profile", a.Profile)
	slices.Sort(query)
	u := url.URL{Scheme: "s3", Host: a.Bucket, Path: "/" + a.Key, RawQuery: strings.Join(query, "&")}
	return u.String()
}

// legible undoes escapes that a query does not need, for the sake of endpoints.
var legible = strings.NewReplacer("%3A", ":", "%2F", "/")
