package http

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"hydrant/source"
)

// parse splits an http(s): URL into the one that is asked and the one that is shown. Userinfo and
// signatures are asked with and never shown.
func parse(s string) (ask, show *url.URL, err error) {
	ask, err = url.Parse(s)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL: there may be secrets in it
		}
		return nil, nil, err
	}
	switch {
	case ask.Scheme != "http" && ask.Scheme != "https" || ask.Host == "" || ask.Opaque != "":
		return nil, nil, errors.New("want http://host/path or https://host/path")
	case ask.Fragment != "":
		return nil, nil, errors.New("write %23 for a # in the path")
	}
	show = new(*ask)
	show.User = nil
	show.RawQuery = withoutSecrets(ask.RawQuery)
	show.ForceQuery = false
	show.Fragment, show.RawFragment = "", ""
	if n := len(show.String()); n > source.MaxURL {
		return nil, nil, fmt.Errorf("the URL is %d bytes long, at most %d can be recorded", n, source.MaxURL)
	}
	return ask, show, nil
}

// withoutSecrets drops the parameters that grant access: tokens, and the signatures of the large
// clouds and content networks with what they are about. Two signed URLs of one blob are then
// recorded as the same, so a clone is resumed with a new signature. All others stay, in order:
// they may be part of the blob's name.
func withoutSecrets(query string) string {
	if query == "" {
		return ""
	}
	params := strings.Split(query, "&")
	signed := slices.ContainsFunc(params, func(p string) bool { return keyOf(p) == "sig" || keyOf(p) == "signature" })
	return strings.Join(slices.DeleteFunc(params, func(p string) bool {
		return isSecret(keyOf(p)) || signed && slices.Contains(companions, keyOf(p))
	}), "&")
}

// keyOf returns the key of one parameter, in lower case.
func keyOf(param string) string {
	key, _, _ := strings.Cut(param, "=")
	if plain, err := url.QueryUnescape(key); err == nil {
		key = plain
	}
	return strings.ToLower(key)
}

func isSecret(key string) bool {
	for _, prefix := range []string{"x-amz-", "x-goog-", "x-oss-", "x-cos-"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return slices.Contains(secrets, key)
}

var (
	secrets = []string{"sig", "signature", "security-token", "token", "access_token", "auth", "apikey", "api_key", "password"}
	// companions say what a signature is about: Azure's, CloudFront's, and the older ones of
	// Amazon and Google. Without one they are as good a name as any.
	companions = []string{
		"se", "sp", "sv", "sr", "st", "spr", "sip", "skoid", "sktid", "skt", "ske", "sks", "skv",
		"policy", "key-pair-id", "expires", "awsaccesskeyid", "googleaccessid",
	}
)
