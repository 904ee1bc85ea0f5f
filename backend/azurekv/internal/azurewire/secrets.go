package azurewire

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of the service.
const (
	maxValue = 25600
	maxTags  = 15
	maxTag   = 512
	maxType  = 255
	maxPage  = 25
)

type setParameters struct {
	Value       *string           `json:"value"`
	ContentType *string           `json:"contentType"`
	Tags        map[string]string `json:"tags"`
	Attributes  *attributes       `json:"attributes"`
}

func (p setParameters) check() *Fault {
	f := badParameter("")
	switch {
	case p.ContentType != nil && utf8.RuneCountInString(*p.ContentType) > maxType:
		f.Message = "Property contentType is too long."
	case len(p.Tags) > maxTags:
		f.Message = "Property tags has too many entries."
	default:
		for k, v := range p.Tags {
			if utf8.RuneCountInString(k) > maxTag || utf8.RuneCountInString(v) > maxTag {
				f.Message = "Property tags has an invalid entry."
				return &f
			}
		}
		return nil
	}
	return &f
}

// route is one of the operations: its shape, and what answers it. It is called
// under the lock.
type route struct {
	method, shape string
	answer        func(w http.ResponseWriter, r *http.Request, name, version string)
}

func (s *Server) routes() []route {
	return []route{
		{"PUT", "/secrets/{name}", s.set},
		{"GET", "/secrets/{name}/versions", s.versions},
		{"GET", "/secrets/{name}/{version}", s.get},
		{"PATCH", "/secrets/{name}/{version}", s.update},
		{"DELETE", "/secrets/{name}", s.delete},
		{"GET", "/secrets", s.list},
		{"GET", "/deletedsecrets", s.listDeleted},
		{"GET", "/deletedsecrets/{name}", s.getDeleted},
		{"POST", "/deletedsecrets/{name}/recover", s.recover},
		{"DELETE", "/deletedsecrets/{name}", s.purge},
		{"POST", "/secrets/{name}/backup", s.backup},
		{"POST", "/secrets/restore", s.restore},
	}
}

// vault answers what the vault's address is asked.
func (s *Server) vault(w http.ResponseWriter, r *http.Request) {
	if s.intercepted(w, r) {
		return
	}
	if s.authority(w, r) {
		return
	}
	if !s.authorised(w, r) { // before anything is looked at
		return
	}
	parts := strings.FieldsFunc(r.URL.Path, func(c rune) bool { return c == '/' })
	for _, x := range s.routes() {
		name, version, ok := x.match(r.Method, parts)
		if !ok {
			continue
		}
		s.count(x.method + " " + x.shape)
		if f := spoken(r.URL.Query().Get("api-version")); f != nil {
			f.WriteTo(w)
			return
		}
		if name != "" && !regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`).MatchString(name) {
			badParameter("The request URI contains an invalid name: " + name).WriteTo(w)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.address = s.base(r)
		x.answer(w, r, name, version)
		return
	}
	Fault{404, "NotFound", "", "The resource was not found.", nil}.WriteTo(w)
}

// spoken refuses what is no version of the API. The words are not recorded.
func spoken(version string) *Fault {
	f := badParameter("")
	switch version {
	case "":
		f.Message = "The api-version is missing."
	case "2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6-preview.2", "7.6", "2025-06-01-preview", "2025-07-01",
		"2026-01-01-preview", "2026-03-01-preview", "2026-04-01", "2026-05-01-preview", "2026-07-01-preview":
		return nil
	default:
		f.Message = "The specified version (" + version + ") is not recognized."
	}
	return &f
}

func (x route) match(method string, parts []string) (name, version string, ok bool) {
	want := strings.Split(x.shape[1:], "/")
	if method != x.method {
		return "", "", false
	}
	if len(parts) == 2 && len(want) == 3 && want[2] == "{version}" {
		parts = append(slices.Clip(parts), "") // clients write the newest one as /secrets/name/
	}
	if len(parts) != len(want) {
		return "", "", false
	}
	for i, w := range want {
		switch {
		case w == "{name}":
			name = parts[i]
		case w == "{version}":
			version = parts[i]
		case !strings.EqualFold(w, parts[i]):
			return "", "", false
		}
	}
	return name, version, true
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err == nil && len(b) > 0 {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		badParameter("The request body is invalid.").WriteTo(w)
	}
	return err == nil
}

func (s *Server) set(w http.ResponseWriter, r *http.Request, name, _ string) {
	var p setParameters
	if !read(w, r, &p) {
		return
	}
	if p.Value == nil {
		badParameter("Property value is missing.").WriteTo(w)
		return
	}
	if len(*p.Value) > maxValue {
		badParameter(fmt.Sprintf("Secret is beyond the maximum permitted length of %d characters.", maxValue)).WriteTo(w)
		return
	}
	if f := p.check(); f != nil {
		f.WriteTo(w)
		return
	}
	rec := s.find(name)
	if rec != nil && rec.state != active {
		inTheWay(rec.state, name).WriteTo(w)
		return
	}
	if rec == nil {
		rec = &record{name: name}
		s.secrets[strings.ToLower(name)] = rec
	}
	v := s.newVersion(p)
	rec.versions = append(rec.versions, v)
	b := s.show(rec, v, true)
	b.Value = &v.Value
	write(w, 200, b)
}

// live finds a secret that is not deleted, and answers if there is none.
func (s *Server) live(w http.ResponseWriter, name, id string) (*record, *version) {
	rec := s.find(name)
	if rec == nil || rec.state != active || rec.version(id) == nil {
		if id != "" {
			name += "/" + id
		}
		notFound(name).WriteTo(w)
		return nil, nil
	}
	return rec, rec.version(id)
}

func (s *Server) get(w http.ResponseWriter, _ *http.Request, name, id string) {
	rec, v := s.live(w, name, id)
	switch {
	case rec == nil:
	case !v.Enabled:
		Fault{403, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret.", nil}.WriteTo(w)
	default:
		b := s.show(rec, v, true)
		b.Value = &v.Value
		write(w, 200, b)
	}
}

// update leaves what is not said. That tags are replaced as a whole, and that a
// null takes a date away, is not recorded.
func (s *Server) update(w http.ResponseWriter, r *http.Request, name, id string) {
	var p setParameters
	var raw struct {
		Attributes map[string]json.RawMessage `json:"attributes"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil || json.Unmarshal(body, &p) != nil || json.Unmarshal(body, &raw) != nil {
		badParameter("The request body is invalid.").WriteTo(w)
		return
	}
	if f := p.check(); f != nil {
		f.WriteTo(w)
		return
	}
	rec, v := s.live(w, name, id)
	if rec == nil {
		return
	}
	if p.ContentType != nil {
		v.ContentType = p.ContentType
	}
	if p.Tags != nil {
		v.Tags = p.Tags
	}
	if a := p.Attributes; a != nil {
		if a.Enabled != nil {
			v.Enabled = *a.Enabled
		}
		if _, said := raw.Attributes["nbf"]; said {
			v.NotBefore = a.NotBefore
		}
		if _, said := raw.Attributes["exp"]; said {
			v.Until = a.Until
		}
	}
	v.Updated = s.now().Unix()
	write(w, 200, s.show(rec, v, true))
}

func (s *Server) delete(w http.ResponseWriter, _ *http.Request, name, _ string) {
	rec := s.find(name)
	if rec == nil || rec.state == deleted {
		notFound(name).WriteTo(w)
		return
	}
	if rec.state != active {
		inTheWay(rec.state, name).WriteTo(w)
		return
	}
	rec.begin(deleting)
	rec.deletedAt = s.now()
	rec.purge = rec.deletedAt.Add(time.Duration(s.opts.RetentionDays) * 24 * time.Hour)
	write(w, 200, s.showDeleted(rec, true))
}

// gone finds a deleted secret, and answers if there is none.
func (s *Server) gone(w http.ResponseWriter, name string) *record {
	rec := s.find(name)
	if rec == nil || rec.state != deleted && rec.state != recovering {
		deletedNotFound(name).WriteTo(w)
		return nil
	}
	return rec
}

func (s *Server) getDeleted(w http.ResponseWriter, _ *http.Request, name, _ string) {
	if rec := s.gone(w, name); rec != nil {
		write(w, 200, s.showDeleted(rec, true))
	}
}

func (s *Server) recover(w http.ResponseWriter, _ *http.Request, name, _ string) {
	rec := s.gone(w, name)
	if rec == nil {
		return
	}
	rec.begin(recovering)
	write(w, 200, s.show(rec, rec.current(), true))
}

func (s *Server) purge(w http.ResponseWriter, _ *http.Request, name, _ string) {
	rec := s.find(name)
	switch {
	case rec != nil && rec.state == deleting:
		inTheWay(deleting, name).WriteTo(w)
	case rec == nil || rec.state != deleted:
		deletedNotFound(name).WriteTo(w)
	case s.opts.Protected: // the body is not recorded
		Fault{403, "Forbidden", "ForbiddenByPolicy", "Operation \"purge\" is not allowed because purge protection is enabled for this vault.", nil}.WriteTo(w)
	default:
		rec.begin(purging)
		write(w, 204, nil)
	}
}
