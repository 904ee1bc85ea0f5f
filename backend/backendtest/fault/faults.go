package fault

import (
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// An Answer is given instead of the server's.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// JSON is an answer with a body of JSON, as stores give them.
func JSON(status int, body string) Answer {
	return Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// With returns the answer with a header more.
func (a Answer) With(name, value string) Answer {
	a.Header = a.Header.Clone()
	if a.Header == nil {
		a.Header = http.Header{}
	}
	a.Header.Set(name, value)
	return a
}

func (a Answer) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body)
}

// Give answers with a.
func Give(a Answer) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		a.write(w)
	}
}

// Echo answers with what answer makes of the request's body.
func Echo(answer func(body string) Answer) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		b, _ := io.ReadAll(r.Body)
		answer(string(b)).write(w)
	}
}

// Hang never answers: it waits until the client goes.
func Hang(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body) // a client is seen to go only then
	<-r.Context().Done()
}

// Slow passes the request on after a while, unless the client goes.
func Slow(d time.Duration) Fault {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		select {
		case <-time.After(d):
			pass.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}
}

// Reset resets the connection; the server never sees the request.
func Reset(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	reset(w, nil)
}

// ResetAfter passes the request on, and resets the connection instead of
// answering.
func ResetAfter(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	answered(r, pass)
	reset(w, nil)
}

// ResetMidBody passes the request on, and resets the connection in the middle
// of the answer's body.
func ResetMidBody(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	a := answered(r, pass)
	head := "HTTP/1.1 " + strconv.Itoa(a.Code) + " x\r\nContent-Type: " + a.Header().Get("Content-Type") + "\r\nContent-Length: " + strconv.Itoa(a.Body.Len()+1) + "\r\n\r\n"
	reset(w, append([]byte(head), a.Body.Bytes()[:a.Body.Len()/2]...))
}

// Cut passes the request on, and leaves out the second half of the answer's
// body without a sign of it.
func Cut(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	a := answered(r, pass)
	header := a.Header()
	header.Del("Content-Length")
	Answer{a.Code, header, a.Body.String()[:a.Body.Len()/2]}.write(w)
}

// Long passes nothing on and answers with 17 MiB of JSON.
func Long(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"data":"`)
	block := make([]byte, 1<<16)
	for i := range block {
		block[i] = 'x'
	}
	for range 17 * 16 {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
	_, _ = io.WriteString(w, `"}`)
}

// Mark passes the request on, and adds a header to the answer.
func Mark(name, value string) Fault {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		w.Header().Set(name, value)
		pass.ServeHTTP(w, r)
	}
}

// answered is what the server answers.
func answered(r *http.Request, pass http.Handler) *httptest.ResponseRecorder {
	a := httptest.NewRecorder()
	pass.ServeHTTP(a, r)
	return a
}

// reset writes b and resets the connection, so that the client is told.
func reset(w http.ResponseWriter, b []byte) {
	h, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := h.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = conn.Write(b)
	if s, ok := conn.(*tls.Conn); ok {
		if c, ok := s.NetConn().(*net.TCPConn); ok {
			_ = c.SetLinger(0)
			_ = c.Close()
		}
	}
	_ = conn.Close()
}
