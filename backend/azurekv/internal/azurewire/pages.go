package azurewire

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (s *Server) list(w http.ResponseWriter, r *http.Request, _, _ string) {
	s.pages(w, r, func(rec *record) (bundle, bool) {
		return s.show(rec, rec.current(), false), rec.state == active
	})
}

func (s *Server) listDeleted(w http.ResponseWriter, r *http.Request, _, _ string) {
	s.pages(w, r, func(rec *record) (bundle, bool) {
		return s.showDeleted(rec, false), rec.state == deleted || rec.state == recovering
	})
}

func (s *Server) pages(w http.ResponseWriter, r *http.Request, show func(*record) (bundle, bool)) {
	var all []bundle
	for name := range s.secrets {
		if rec := s.find(name); rec != nil {
			if b, shown := show(rec); shown {
				all = append(all, b)
			}
		}
	}
	slices.SortFunc(all, func(a, b bundle) int { return cmp.Compare(a.ID, b.ID) })
	s.page(w, r, all)
}

// versions are told in the order of their ids, not of time.
func (s *Server) versions(w http.ResponseWriter, r *http.Request, name, _ string) {
	rec, _ := s.live(w, name, "")
	if rec == nil {
		return
	}
	var all []bundle
	for _, v := range rec.versions {
		all = append(all, s.show(rec, v, true))
	}
	slices.SortFunc(all, func(a, b bundle) int { return cmp.Compare(a.ID, b.ID) })
	s.page(w, r, all)
}

// page answers with a part of all. The link to the next one is absolute, names
// the port and goes on behind the last id, so that nothing is lost when
// something is added or removed meanwhile.
func (s *Server) page(w http.ResponseWriter, r *http.Request, all []bundle) {
	size := maxPage
	if m := r.URL.Query().Get("maxresults"); m != "" {
		n, err := strconv.Atoi(m)
		if err != nil || n < 1 || n > maxPage {
			badParameter("The maxresults parameter is invalid.").WriteTo(w)
			return
		}
		size = n
	}
	token := r.URL.Query().Get("$skiptoken")
	after, empty := strings.CutSuffix(token, "!")
	behind, err := base64.RawURLEncoding.DecodeString(after)
	if err != nil {
		badParameter("The $skiptoken parameter is invalid.").WriteTo(w)
		return
	}
	all = slices.DeleteFunc(all, func(b bundle) bool { return token != "" && b.ID <= string(behind) })
	answer := struct {
		Value []bundle `json:"value"`
		Next  *string  `json:"nextLink"`
	}{Value: []bundle{}}
	next := after
	if !empty {
		answer.Value = append(answer.Value, all[:min(size, len(all))]...)
		if len(answer.Value) > 0 {
			next = base64.RawURLEncoding.EncodeToString([]byte(answer.Value[len(answer.Value)-1].ID))
		}
		all = all[len(answer.Value):]
	}
	if s.opts.EmptyPages && !empty && next != "" {
		next += "!"
	}
	if len(all) > 0 || strings.HasSuffix(next, "!") {
		link := s.address + r.URL.Path + "?api-version=" + r.URL.Query().Get("api-version") + "&$skiptoken=" + next + "&maxresults=" + strconv.Itoa(size)
		answer.Next = &link
	}
	write(w, 200, answer)
}

// A backup is sealed: what the service makes of it is opaque too.
func (s *Server) sealed() cipher.AEAD {
	block, err := aes.NewCipher(s.opts.Backups)
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

const backupMagic = "%AzureKeyVaultSecretBackupV1.azurewire"

type packed struct {
	Name     string
	Versions []*version
}

func (s *Server) backup(w http.ResponseWriter, _ *http.Request, name, _ string) {
	rec, _ := s.live(w, name, "")
	if rec == nil {
		return
	}
	b, err := json.Marshal(packed{rec.name, rec.versions})
	if err != nil {
		panic(err) // plain data
	}
	blob := s.sealed().Seal([]byte(backupMagic), nil, b, []byte(backupMagic)) //nolint:gosec // the nonce is random, and in the answer
	write(w, 200, map[string]string{"value": base64.RawURLEncoding.EncodeToString(blob)})
}

func (s *Server) restore(w http.ResponseWriter, r *http.Request, _, _ string) {
	var p struct {
		Value string `json:"value"`
	}
	if !read(w, r, &p) {
		return
	}
	var back packed
	blob, err := base64.RawURLEncoding.DecodeString(p.Value)
	rest, ok := strings.CutPrefix(string(blob), backupMagic)
	if err == nil && ok {
		var plain []byte
		if plain, err = s.sealed().Open(nil, nil, []byte(rest), []byte(backupMagic)); err == nil {
			err = json.Unmarshal(plain, &back)
		}
	}
	if err != nil || !ok || len(back.Versions) == 0 {
		badParameter("Backup blob is invalid.").WriteTo(w)
		return
	}
	if rec := s.find(back.Name); rec != nil {
		Fault{409, "Conflict", "", "There was a conflict restoring the secret " + s.address + "/secrets/" + back.Name + " because the target secret already exists in this vault.", nil}.WriteTo(w)
		return
	}
	rec := &record{name: back.Name, versions: back.Versions}
	s.secrets[strings.ToLower(back.Name)] = rec
	write(w, 200, s.show(rec, rec.current(), true))
}
