package awswire

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxBody bounds a request, as a server that hashes bodies must.
const maxBody = 1 << 20

// A Key signs requests. Session is needed where it is not empty.
type Key struct {
	ID, Secret, Session string
	Account             string    // twelve digits
	ARN                 string    // who signs
	Expires             time.Time // zero: never
}

// A Call is a request whose signature is right.
type Call struct {
	Operation       string
	Account, Region string
	Principal       string // an ARN
	Name            string // of the secret; empty where there is none or many
}

// Options configure a [Server]; the zero Options allow everything to [Root].
type Options struct {
	Now   func() time.Time
	Keys  []Key
	Allow func(c Call) bool // nil: everything
	// Around is called for each request, with its operation, before anything
	// is looked at. It calls next, or answers by itself.
	Around func(operation string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc)
	// Destroying is how long a secret is still in the way after it was
	// deleted by force; the service needs some seconds.
	Destroying time.Duration
}

// Root returns the key that a server without keys knows.
func Root() Key {
	return Key{ID: "AKIDEXAMPLE", Secret: "signs requests of tests", Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/mia"}
}

// A Server is the service in all its regions.
type Server struct {
	opts Options

	mu       sync.Mutex
	keys     map[string]Key
	places   map[place]map[string]*entry
	requests map[string]int
}

// A place is where a name means one secret.
type place struct{ account, region string }

// New returns an empty service.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Keys == nil {
		o.Keys = []Key{Root()}
	}
	s := &Server{opts: o, keys: map[string]Key{}, places: map[place]map[string]*entry{}, requests: map[string]int{}}
	for _, k := range o.Keys {
		s.keys[k.ID] = k
	}
	return s
}

// AddKey makes a further key known.
func (s *Server) AddKey(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[k.ID] = k
}

// Requests tells how many requests each operation had, refused ones included.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	s.mu.Lock()
	s.requests[operation]++
	s.mu.Unlock()
	if s.opts.Around != nil {
		s.opts.Around(operation, w, r, func(w http.ResponseWriter, r *http.Request) { s.serve(operation, w, r) })
		return
	}
	s.serve(operation, w, r)
}

func (s *Server) serve(operation string, w http.ResponseWriter, r *http.Request) {
	out, err := s.answer(operation, r)
	if err != nil {
		WriteError(w, err)
		return
	}
	write(w, http.StatusOK, out)
}

func (s *Server) answer(operation string, r *http.Request) (any, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return nil, front("SerializationException", "the body cannot be read, or is too long")
	}
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		return nil, front("UnknownOperationException", "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key, region, err := s.verify(r, body, "secretsmanager", "host", "x-amz-date", "x-amz-target")
	if err != nil {
		return nil, err
	}
	do, known := operations()[operation]
	if !known {
		return nil, front("UnknownOperationException", "")
	}
	c := &call{Server: s, Call: Call{Operation: operation, Account: key.Account, Region: region, Principal: key.ARN}}
	c.secrets = s.places[place{key.Account, region}]
	if c.secrets == nil {
		c.secrets = map[string]*entry{}
		s.places[place{key.Account, region}] = c.secrets
	}
	c.purge()
	return do(c, body)
}

// call is one request while it is carried out, under the server's lock.
type call struct {
	*Server
	Call
	secrets map[string]*entry
}

type operation func(c *call, body []byte) (any, error)

// decoded makes an operation of a function that takes its input decoded;
// members that are not known are ignored.
func decoded[In any](f func(c *call, in In) (any, error)) operation {
	return func(c *call, body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, front("SerializationException", "")
		}
		return f(c, in)
	}
}

func operations() map[string]operation {
	return map[string]operation{
		"BatchGetSecretValue":      decoded(batchGet),
		"CreateSecret":             decoded(createSecret),
		"DeleteSecret":             decoded(deleteSecret),
		"DescribeSecret":           decoded(describeSecret),
		"GetResourcePolicy":        decoded(getResourcePolicy),
		"GetSecretValue":           decoded(getSecretValue),
		"ListSecretVersionIds":     decoded(listVersions),
		"ListSecrets":              decoded(listSecrets),
		"PutSecretValue":           decoded(putSecretValue),
		"RestoreSecret":            decoded(restoreSecret),
		"TagResource":              decoded(tagResource),
		"UntagResource":            decoded(untagResource),
		"UpdateSecret":             decoded(updateSecret),
		"UpdateSecretVersionStage": decoded(updateStage),
	}
}

// allowed asks for the right of a call, or of one that it implies.
func (c *call) allowed(operation, name string) error {
	asked := c.Call
	asked.Operation, asked.Name = operation, name
	if c.opts.Allow == nil || c.opts.Allow(asked) {
		return nil
	}
	resource := name
	if e := c.secrets[name]; e != nil {
		resource = e.arn
	}
	return front("AccessDeniedException", "User: "+c.Principal+" is not authorized to perform: secretsmanager:"+operation+" on resource: "+resource+
		" because no identity-based policy allows the secretsmanager:"+operation+" action")
}

// An Error is what the service answers instead of a result. Errors of the
// service itself spell the member Message, those of its front end message.
type Error struct {
	Status        int // zero: 400
	Code, Message string
	Front         bool
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func front(code, message string) error { return &Error{Code: code, Message: message, Front: true} }

func notFound(what string) error {
	return &Error{Code: "ResourceNotFoundException", Message: "Secrets Manager can't find the specified secret" + what + "."}
}

func badParameter(message string) error {
	return &Error{Code: "InvalidParameterException", Message: message}
}

func badRequest(message string) error {
	return &Error{Code: "InvalidRequestException", Message: message}
}

// WriteError answers with an error, as the service writes it.
func WriteError(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Status: http.StatusInternalServerError, Code: "InternalServiceError", Message: err.Error()}
	}
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	member := "Message"
	if e.Front {
		member = "message"
	}
	write(w, status, map[string]string{"__type": e.Code, member: e.Message})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", rand.Text())
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
