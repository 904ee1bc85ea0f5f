package seal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/zalando/go-keyring"

	"github.com/tacit-secrets/tacit/secret"
)

const testStore = "00112233445566778899aabbccddeeff"

func testUnlocker(t testing.TB) *Unlocker {
	return &Unlocker{KeyDir: filepath.Join(t.TempDir(), "keys")}
}

func mustSlot(t testing.TB, u *Unlocker, k *Key, m Method) Slot {
	t.Helper()
	s, err := u.NewSlot(t.Context(), testStore, k, m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// weakSlot is a passphrase slot that costs nothing.
func weakSlot(t testing.TB, k *Key, pass string) Slot {
	t.Helper()
	s := newSlot(Passphrase, "", time.Unix(0, 0))
	s.Stretch = &Stretch{MemoryKiB: 64, Time: 1, Threads: 1, Salt: make([]byte, saltBytes)}
	if err := s.lock(testStore, k, s.Stretch.key([]byte(pass))); err != nil {
		t.Fatal(err)
	}
	return s
}

func opens(t *testing.T, u *Unlocker, s Slots, k *Key) {
	t.Helper()
	got, err := u.Unlock(t.Context(), testStore, s)
	if err != nil {
		t.Error(err)
	} else if !got.Equal(k) {
		t.Error("another key was unlocked")
	}
}

func writeFile(t testing.TB, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func newAge(t testing.TB) (path, recipient string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "id.txt", id.String()+"\n", 0o600), id.Recipient().String()
}

func newPQ(t testing.TB) (path, recipient string) {
	t.Helper()
	v, recipient, err := NewRecovery()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(recipient, "age1pq1") {
		t.Error("the recovery recipient is not post-quantum")
	}
	return writeFile(t, "recovery.txt", string(v.Reveal()), 0o600), recipient
}

// TestEachKindUnlocks stores the slots as text in between.
func TestEachKindUnlocks(t *testing.T) {
	keyring.MockInit()
	creds := filepath.Dir(writeFile(t, "tacit", "a credential of more than 32 bytes, as it should be\n", 0o400))
	id, recipient := newAge(t)
	pq, pqRecipient := newPQ(t)
	k := newTestKey(t)
	for name, c := range map[string]struct {
		u Unlocker
		m Method
	}{
		"keyfile":       {Unlocker{KeyDir: filepath.Join(t.TempDir(), "a", "b")}, Method{Kind: KeyFile, Label: "laptop"}},
		"keyring":       {Unlocker{Keyring: SystemKeyring()}, Method{Kind: InKeyring}},
		"credential":    {Unlocker{CredentialDir: creds, Credential: "tacit"}, Method{Kind: Credential}},
		"age":           {Unlocker{Identities: []string{"/nowhere", id}}, Method{Kind: Age, Recipient: recipient}},
		"recovery":      {Unlocker{Identities: []string{pq}}, Method{Kind: Age, Recipient: pqRecipient}},
		"command":       {Unlocker{Command: []string{"echo", "short"}, Environ: []string{"PATH=" + os.Getenv("PATH")}}, Method{Kind: Command}},
		"passphrase":    {Unlocker{Passphrase: secret.Text("p")}, Method{Kind: Passphrase, Passphrase: secret.Text("p")}},
		"typed-unicode": {Unlocker{Prompt: func(context.Context, string) ([]byte, error) { return []byte("\u00e9"), nil }}, Method{Kind: Passphrase, Passphrase: secret.Text("e\u0301")}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := MarshalSlots(Slots{mustSlot(t, &c.u, k, c.m)})
			if err != nil {
				t.Fatal(err)
			}
			s, err := ParseSlots(text)
			if err != nil {
				t.Fatal(err)
			}
			opens(t, &c.u, s, k)
			_, err = (&Unlocker{}).Unlock(t.Context(), testStore, s)
			wantKind(t, err, secret.Unauthenticated)
			_, err = c.u.Unlock(t.Context(), "another store", s)
			wantKind(t, err, secret.Unauthenticated)
		})
	}
}

func TestAbuseSlots(t *testing.T) {
	t.Run("passphrase-wrong-vs-corrupt", func(t *testing.T) {
		k := newTestKey(t)
		s := weakSlot(t, k, "right")
		opens(t, &Unlocker{Passphrase: secret.Text("right")}, Slots{s}, k)
		_, err := (&Unlocker{Passphrase: secret.Text("wrong")}).Unlock(t.Context(), testStore, Slots{s})
		wantKind(t, err, secret.Unauthenticated)
		if err.Error() != "wrong passphrase" {
			t.Errorf("text is %q", err)
		}
		for i := range len(s.Wrapped) * 8 {
			d := s
			d.Wrapped = slices.Clone(s.Wrapped)
			d.Wrapped[i/8] ^= 1 << (i % 8)
			_, err = (&Unlocker{Passphrase: secret.Text("right")}).Unlock(t.Context(), testStore, Slots{d})
			wantKind(t, err, secret.Corrupt)
		}
		d := s
		d.Stretch = &Stretch{64, 1, 1, []byte("another salt....")}
		_, err = (&Unlocker{Passphrase: secret.Text("right")}).Unlock(t.Context(), testStore, Slots{d})
		wantKind(t, err, secret.Corrupt)
	})
	t.Run("damaged-slot-locks-nobody-else-out", func(t *testing.T) {
		u, k := testUnlocker(t), newTestKey(t)
		bad, good := mustSlot(t, u, k, Method{Kind: KeyFile}), mustSlot(t, u, k, Method{Kind: KeyFile})
		bad.Sum = []byte("no")
		opens(t, u, Slots{bad, good}, k)
	})
	t.Run("slot-of-another-store", func(t *testing.T) {
		u, k := testUnlocker(t), newTestKey(t)
		s := mustSlot(t, u, k, Method{Kind: KeyFile})
		_, err := u.Unlock(t.Context(), "ffeeddccbbaa99887766554433221100", Slots{s})
		wantKind(t, err, secret.Unauthenticated)
	})
}

func TestAbuseKeyFile(t *testing.T) {
	good := keyFilePrefix + encode(make([]byte, 32)) + "\n"
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want secret.Kind
	}{
		"key-file-readable-by-others": {good, 0o604, secret.Denied},
		"key-file-readable-by-group":  {good, 0o640, secret.Denied},
		"key-file-too-short":          {good[:20], 0o600, secret.Corrupt},
		"key-file-without-newline":    {strings.TrimSpace(good), 0o600, secret.Corrupt},
		"key-file-too-long":           {good + "x", 0o600, secret.Corrupt},
		"key-file-huge":               {strings.Repeat("x", maxFile+1), 0o600, secret.Invalid},
		"key-file-empty":              {"", 0o600, secret.Corrupt},
		"key-file-of-nul":             {strings.Repeat("\x00", len(good)), 0o600, secret.Corrupt},
		"key-file-with-nul":           {strings.Replace(good, "AAA", "\x00\x00\x00", 1), 0o600, secret.Corrupt},
		"key-file-longer-key":         {keyFilePrefix + encode(make([]byte, 90)) + "\n", 0o600, secret.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readKeyFile(writeFile(t, "f.key", c.text, c.mode))
			wantKind(t, err, c.want)
		})
	}
	t.Run("key-file-is-a-link", func(t *testing.T) {
		path := writeFile(t, "f.key", good, 0o600)
		if err := os.Symlink(path, path+".link"); err != nil {
			t.Fatal(err)
		}
		_, err := readKeyFile(path + ".link")
		wantKind(t, err, secret.Unavailable)
	})
	t.Run("foreign-key-file", func(t *testing.T) {
		u, k := testUnlocker(t), newTestKey(t)
		s, other := mustSlot(t, u, k, Method{Kind: KeyFile}), mustSlot(t, u, newTestKey(t), Method{Kind: KeyFile})
		b, err := os.ReadFile(filepath.Join(u.KeyDir, other.Name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(u.KeyDir, s.Name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = u.Unlock(t.Context(), testStore, Slots{s})
		wantKind(t, err, secret.Unauthenticated)
	})
	t.Run("key-file-never-replaced", func(t *testing.T) {
		path := writeFile(t, "f.key", good, 0o600)
		_, err := writeKeyFile(filepath.Dir(path), "f.key")
		wantKind(t, err, secret.Unavailable)
		if b, _ := os.ReadFile(path); string(b) != good {
			t.Error("it was changed")
		}
	})
	t.Run("key-file-mode", func(t *testing.T) {
		u := testUnlocker(t)
		s := mustSlot(t, u, newTestKey(t), Method{Kind: KeyFile})
		info, err := os.Stat(filepath.Join(u.KeyDir, s.Name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode is %v, %v", info.Mode(), err)
		}
	})
}

// stuck is a keyring that waits for a person: nothing else can be made to hang.
type stuck struct{ until chan struct{} }

func (s stuck) Get(string, string) (string, error) { <-s.until; return "", errors.New("late") }
func (s stuck) Set(string, string, string) error   { <-s.until; return nil }
func (s stuck) Delete(string, string) error        { <-s.until; return nil }

func TestAbuseKeyring(t *testing.T) {
	t.Run("keyring-hangs", func(t *testing.T) {
		keyring.MockInit()
		k := newTestKey(t)
		u := testUnlocker(t)
		u.Keyring = SystemKeyring()
		s := Slots{mustSlot(t, u, k, Method{Kind: InKeyring})}
		until := make(chan struct{})
		defer close(until)
		u.Keyring, u.KeyringWait = stuck{until}, 10*time.Millisecond
		_, err := u.Unlock(t.Context(), testStore, s)
		wantKind(t, err, secret.Unauthenticated)
		if !strings.Contains(err.Error(), "unlock the keyring") {
			t.Errorf("no way out: %v", err)
		}
		both, err := s.Add(weakSlot(t, k, "p"))
		if err != nil {
			t.Fatal(err)
		}
		u.Passphrase = secret.Text("p")
		opens(t, u, both, k)
	})
	t.Run("keyring-locked", func(t *testing.T) {
		keyring.MockInitWithError(errors.New("locked"))
		defer keyring.MockInit()
		_, err := (&Unlocker{Keyring: SystemKeyring()}).NewSlot(t.Context(), testStore, newTestKey(t), Method{Kind: InKeyring})
		wantKind(t, err, secret.Unavailable)
	})
	t.Run("keyring-entry-damaged", func(t *testing.T) {
		keyring.MockInit()
		u := &Unlocker{Keyring: SystemKeyring()}
		s := mustSlot(t, u, newTestKey(t), Method{Kind: InKeyring})
		if err := keyring.Set("tacit", s.Name, "x"); err != nil {
			t.Fatal(err)
		}
		_, err := u.Unlock(t.Context(), testStore, Slots{s})
		wantKind(t, err, secret.Corrupt)
	})
}

func TestAbuseCommand(t *testing.T) {
	env := []string{"PATH=" + os.Getenv("PATH"), "TACIT_PASSPHRASE=canary", "tacit_x=canary"}
	for name, c := range map[string]struct {
		argv []string
		want secret.Kind
	}{
		"command-hangs":              {[]string{"sleep", "60"}, secret.Unavailable},
		"command-leaves-a-child":     {[]string{"sh", "-c", "sleep 60 & sleep 60"}, secret.Unavailable},
		"command-prints-too-much":    {[]string{"head", "-c", "65537", "/dev/zero"}, secret.Invalid},
		"command-fails":              {[]string{"false"}, secret.Unavailable},
		"command-missing":            {[]string{"/nowhere/at-all"}, secret.Unavailable},
		"command-prints-nothing":     {[]string{"true"}, secret.Invalid},
		"command-with-shell-letters": {[]string{"true; echo x"}, secret.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			u := Unlocker{Command: c.argv, Environ: env, CommandWait: 300 * time.Millisecond}
			began := time.Now()
			_, err := u.command(t.Context())
			wantKind(t, err, c.want)
			if time.Since(began) > 10*time.Second {
				t.Error("it was waited for")
			}
		})
	}
	t.Run("unlock-variables-never-reach-the-command", func(t *testing.T) {
		u := Unlocker{Command: []string{"env"}, Environ: env}
		out, err := u.command(t.Context())
		if err != nil || strings.Contains(string(out), "canary") || !strings.Contains(string(out), "PATH=") {
			t.Errorf("environment is wrong: %v", err)
		}
	})
	t.Run("no-environment-is-none", func(t *testing.T) {
		t.Setenv("TACIT_PASSPHRASE", "canary")
		env, err := filepath.Abs("/usr/bin/env")
		if err != nil {
			t.Fatal(err)
		}
		out, err := (&Unlocker{Command: []string{env}}).command(t.Context())
		if strings.Contains(string(out), "canary") {
			t.Errorf("the process's own environment was given away: %v", err)
		}
	})
}

func TestHeldKeyFirst(t *testing.T) {
	k := newTestKey(t)
	h := &memory{k: k}
	u := &Unlocker{Holder: h, Prompt: func(context.Context, string) ([]byte, error) {
		t.Error("somebody was asked")
		return nil, errors.New("no")
	}}
	opens(t, u, Slots{weakSlot(t, k, "p")}, k)
	// After a rekey the held key fits no slot, and must not be used.
	l := newTestKey(t)
	u.Prompt, u.Passphrase = nil, secret.Text("p")
	opens(t, u, Slots{weakSlot(t, l, "p")}, l)
	if h.k != nil {
		t.Error("the old key is still held")
	}
}

type memory struct{ k *Key }

func (m *memory) Hold(_ context.Context, _ string, k *Key, _ time.Duration) error {
	m.k = k
	return nil
}
func (m *memory) Drop(context.Context, string) error { m.k = nil; return nil }
func (m *memory) Held(context.Context, string) (*Key, error) {
	if m.k == nil {
		return nil, errNotHeld()
	}
	return m.k, nil
}

func TestSystemHolder(t *testing.T) {
	now := time.Now()
	h := SystemHolder(func() time.Time { return now })
	ctx, k := t.Context(), newTestKey(t)
	store := fmt.Sprintf("test-%d", os.Getpid())
	err := h.Hold(ctx, store, k, time.Minute)
	if errors.Is(err, secret.Unsupported) || errors.Is(err, secret.Unavailable) {
		t.Skipf("no kernel keyring here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Drop(context.Background(), store) }()
	if got, err := h.Held(ctx, store); err != nil || !got.Equal(k) {
		t.Errorf("held: %v", err)
	}
	now = now.Add(time.Minute)
	_, err = h.Held(ctx, store)
	wantKind(t, err, secret.NotFound)
	for range 2 {
		if err := h.Drop(ctx, store); err != nil {
			t.Error(err)
		}
	}
	_, err = h.Held(ctx, store)
	wantKind(t, err, secret.NotFound)
	wantKind(t, h.Hold(ctx, store, k, MaxHold+1), secret.Invalid)
	wantKind(t, h.Hold(ctx, store, nil, time.Minute), secret.Unauthenticated)
}
