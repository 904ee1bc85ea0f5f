package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

// maxInput bounds what put reads: the largest value of any store.
const maxInput = 8 << 20

type putFlags struct {
	file        string
	generate    string
	declare     string
	description string
	tags        []string
	ifVersion   int64
	trim        bool
	dryRun      bool
	batch       bool
	recover     bool
}

func (a *app) putCommand() *cobra.Command {
	var f putFlags
	c := &cobra.Command{
		Use:   "put REFERENCE | --batch",
		Short: "Write a new version of a secret, or one of its fields",
		Long: `Write a new version of a secret, and make it current. The value comes from a hidden
prompt, from stdin (byte for byte, a last newline included), from --file, or is made
by --generate; never from an argument, which others could see.

With #field, one field of a JSON object is replaced and its siblings are kept.

A deleted secret of the name is in the way. --recover brings it back first, and writes the
new version over it: both are recorded, and both rights are needed.

With --batch, stdin has one JSON object a line, with name, value and, as need be,
env, encoding ("base64"), description, tags, if_version: all are written or none.`,
		Example: `  tacit put claude/api#claude_api_key --declare ANTHROPIC_API_KEY
  printf %s "$TOKEN" | tacit put ci/token
  tacit put tls/key --file server.pem
  tacit put app/db#password --generate password --tag owner=payments
  tacit put app/db --if-version 3 < db.json
  tacit put --batch < secrets.jsonl`,
		Args: func(c *cobra.Command, args []string) error {
			if f.batch {
				return cobra.NoArgs(c, args)
			}
			return onlyReference(c, args)
		},
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("if-version") && f.ifVersion < 0 {
				return secret.Errorf(secret.Invalid, "", "--if-version takes the number of a version, or 0 for none")
			}
			if f.batch && f.recover {
				return secret.Errorf(secret.Invalid, "", "--recover is for one secret, not for --batch")
			}
			if f.batch {
				return a.putBatch(cmd.Context(), f)
			}
			return a.put(cmd.Context(), args[0], f)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.file, "file", "", "read the value from this `file`")
	fs.StringVar(&f.generate, "generate", "", "make a value of this `kind`: password, hex, base64, uuid, ed25519")
	fs.StringVar(&f.declare, "declare", "", "also declare it in tacit.toml as this `variable`")
	fs.StringVar(&f.description, "description", "", "a `text`: what the secret is for")
	fs.StringArrayVar(&f.tags, "tag", nil, "a tag, `key=value`; may be given more than once")
	fs.Int64Var(&f.ifVersion, "if-version", -1, "only if this is the current version's `number`; 0: if none is")
	fs.BoolVar(&f.trim, "trim", false, "drop one newline at the end of the value")
	fs.BoolVarP(&f.dryRun, "dry-run", "n", false, "say what would be done, and do nothing")
	fs.BoolVar(&f.recover, "recover", false, "bring a deleted secret of this name back first")
	fs.BoolVar(&f.batch, "batch", false, "write many secrets from JSON lines on stdin, all or nothing")
	fs.Lookup("if-version").DefValue = "0" // keeps "-1" out of the help
	return c
}

// onlyReference refuses a value that came as an argument, where everybody on
// the machine can see it.
func onlyReference(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return secret.Errorf(secret.Invalid, "", "put takes no value as an argument, where others could see it\n  it asks for one, or reads stdin:  tacit put REFERENCE < FILE")
	}
	return cobra.ExactArgs(1)(c, args)
}

func (a *app) put(ctx context.Context, arg string, f putFlags) error {
	change, err := annotation(f)
	if err != nil {
		return err
	}
	o, r, err := a.putTarget(ctx, arg, f)
	if err != nil {
		return err
	}
	if f.dryRun {
		return a.wouldPut(r, f)
	}
	value, err := a.input(ctx, r, f)
	if err != nil {
		return err
	}
	v, err := a.write(ctx, putRequest{o, r, value, f.ifVersion})
	if f.recover && secret.StateOf(err) == secret.Deleted {
		v, err = a.recoverAndWrite(ctx, putRequest{o, r, value, f.ifVersion})
	}
	if err != nil {
		return a.notPut(ctx, putRequest{o, r, value, f.ifVersion}, err)
	}
	// Laid over the tags there are by the store itself: to read them first would
	// need another right, and lose what others add meanwhile.
	if change != nil {
		if _, err := o.Broker.Annotate(ctx, o.Caller, secret.Ref{Env: r.Env, Name: r.Name}, *change); err != nil {
			return errors.Join(err, secret.Errorf(secret.KindOf(err), "", "  the value was put, as version %d", v.Number))
		}
	}
	if a.flags.json {
		err = a.object(changeJSON{Env: r.Env, Name: string(r.Name), Version: v.Number, ID: string(v.ID)})
	} else {
		a.done("put", plain(r), "%s", counted(v))
	}
	if err == nil && f.declare != "" {
		err = a.declare(ctx, o, r, f.declare)
	}
	return err
}

// putTarget reads the arguments and refuses what can be refused before a
// value is asked for.
func (a *app) putTarget(ctx context.Context, arg string, f putFlags) (*config.Opened, secret.Ref, error) {
	o, err := a.open(ctx)
	if err != nil {
		return nil, secret.Ref{}, err
	}
	r, err := a.ref(o, arg)
	switch {
	case err != nil:
		return nil, r, err
	case r.At != (secret.At{}):
		return nil, r, secret.Errorf(secret.Invalid, "", "put writes a new version: give no @version\n  --if-version writes only if that version is current")
	case f.generate != "" && f.file != "":
		return nil, r, secret.Errorf(secret.Invalid, "", "give --file or --generate, not both")
	case f.generate != "" && !isGenerator(f.generate):
		return nil, r, secret.Errorf(secret.Invalid, "", "--generate makes password, hex, base64, uuid or ed25519")
	}
	if f.declare != "" {
		if err := o.CanDeclare(f.declare); err != nil {
			return nil, r, err
		}
	}
	if err := a.canTake(ctx, o, r, f); err != nil {
		return nil, r, err
	}
	return o, r, a.askProtected(ctx, o, r)
}

// canTake refuses what the store cannot do, before a value is asked for.
func (a *app) canTake(ctx context.Context, o *config.Opened, r secret.Ref, f putFlags) error {
	if len(f.tags) > 0 || f.description != "" {
		if err := a.canAnnotate(ctx, o, r); err != nil {
			return err
		}
	}
	if r.Field != "" || f.ifVersion >= 0 {
		return a.canSwap(ctx, o, r)
	}
	return nil
}

// canAnnotate refuses tags for a store that keeps none before a value is put.
func (a *app) canAnnotate(ctx context.Context, o *config.Opened, r secret.Ref) error {
	can, err := o.Broker.Capabilities(ctx, r.Env)
	if err == nil && !slices.Contains(can, "annotations") {
		err = secret.Errorf(secret.Unsupported, "", "the store of %s keeps no tags and descriptions; nothing was changed", r.Env)
	}
	return err
}

// canSwap refuses what is a write over the version that was seen, for a store
// that compares nothing, before a value is asked for or an editor opened.
func (a *app) canSwap(ctx context.Context, o *config.Opened, r secret.Ref) error {
	can, err := o.Broker.Capabilities(ctx, r.Env)
	if err == nil && !slices.Contains(can, "swap") {
		err = secret.Errorf(secret.Unsupported, "", "the store of %s cannot compare and swap, so a change in between could be lost; nothing was changed\n  write the whole value:  tacit put %s --file FILE", r.Env, plain(r))
	}
	return err
}

func (a *app) wouldPut(r secret.Ref, f putFlags) error {
	if a.flags.json {
		return a.object(changeJSON{Env: r.Env, Name: string(r.Name), DryRun: true})
	}
	a.say("would put", r.String(), "")
	if f.declare != "" {
		a.say("declare", f.declare, "in tacit.toml")
	}
	return nil
}

// input gets the value from where the flags say.
func (a *app) input(ctx context.Context, r secret.Ref, f putFlags) (secret.Value, error) {
	var b []byte
	var err error
	switch {
	case f.generate != "":
		return generate(f.generate)
	case f.file != "":
		b, err = readFile(f.file)
	case terminal(a.In):
		if !a.interactive() {
			return secret.Value{}, secret.Errorf(secret.Invalid, "", "there is nobody to ask for the value\n  give it on stdin:  tacit put %s < FILE", r)
		}
		b, err = a.hidden(ctx, "value for "+r.String())
		if err == nil && len(b) == 0 {
			err = secret.Errorf(secret.Invalid, "", "%s: nothing was typed, so nothing was changed", plain(r))
		}
	default:
		b, err = readAll(a.In, maxInput)
		if err == nil && len(b) == 0 {
			err = secret.Errorf(secret.Invalid, "", "%s: stdin is empty, so nothing was changed\n  an empty value:  tacit put %s --file /dev/null", plain(r), r)
		}
	}
	if err != nil {
		return secret.Value{}, err
	}
	return a.shaped(b, f), nil
}

// shaped drops or mentions a last newline: the most common mistake there is. A
// file of several lines is meant to have one.
func (a *app) shaped(b []byte, f putFlags) secret.Value {
	if f.trim {
		b = bytes.TrimSuffix(b, []byte("\n"))
		b = bytes.TrimSuffix(b, []byte("\r"))
	} else if bytes.HasSuffix(b, []byte("\n")) && (f.file == "" || bytes.Count(b, []byte("\n")) == 1) {
		a.warn("the value ends with a newline, which was kept\n  --trim drops it")
	}
	return textOrBinary(b)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the user names it
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "%s: cannot be read: %s", path, reason(err))
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, secret.Errorf(secret.Invalid, "", "%s: is a folder", path)
	}
	return readAll(f, maxInput)
}

// annotation makes the change of tags and description that the flags ask for;
// nil if they ask for none.
func annotation(f putFlags) (*secret.Change, error) {
	if len(f.tags) == 0 && f.description == "" {
		return nil, nil //nolint:nilnil // no change is what nil means
	}
	c := secret.Change{Tags: secret.TagChange{Set: map[string]string{}}}
	for _, t := range f.tags {
		k, v, ok := strings.Cut(t, "=")
		if !ok || k == "" {
			return nil, secret.Errorf(secret.Invalid, "", "%q is no tag: write key=value", t)
		}
		c.Tags.Set[k] = v
	}
	if f.description != "" {
		c.Description = &f.description
	}
	return &c, nil
}

type putRequest struct {
	o         *config.Opened
	ref       secret.Ref
	value     secret.Value
	ifVersion int64
}

func (a *app) write(ctx context.Context, p putRequest) (secret.Version, error) {
	b, c := p.o.Broker, p.o.Caller
	if p.ifVersion >= 0 {
		p.ref.At = secret.At{Number: uint64(p.ifVersion)}
		if p.ref.Field == "" {
			return b.Swap(ctx, c, p.ref, p.value, nil)
		}
	}
	if p.ref.Field != "" {
		return b.Merge(ctx, c, p.ref, p.value, nil)
	}
	return b.Put(ctx, c, p.ref, p.value, nil)
}

// notPut says why nothing was put.
func (a *app) notPut(ctx context.Context, p putRequest, err error) error {
	if p.ifVersion > 0 && secret.KindOf(err) == secret.Conflict && secret.StateOf(err) == 0 {
		return secret.Errorf(secret.Conflict, "", "%s: version %d is not the current one\n  which is:  tacit history %s", plain(p.ref), p.ifVersion, plain(p.ref))
	}
	return a.explain(ctx, p.o, p.ref, err)
}

// recoverAndWrite brings a deleted secret back and writes over it. A store may
// take a moment until what came back can be written: it says so itself.
func (a *app) recoverAndWrite(ctx context.Context, p putRequest) (secret.Version, error) {
	whole := secret.Ref{Env: p.ref.Env, Name: p.ref.Name}
	if _, err := p.o.Broker.Undelete(ctx, p.o.Caller, whole); err != nil {
		return secret.Version{}, err
	}
	a.done("undeleted", plain(whole), "")
	v, err := a.write(ctx, p)
	if err != nil {
		err = errors.Join(err, secret.Errorf(secret.KindOf(err), "", "  the secret was brought back, and nothing was put"))
	}
	return v, err
}

// declare writes a variable into tacit.toml.
func (a *app) declare(ctx context.Context, o *config.Opened, r secret.Ref, variable string) error {
	trusted, err := o.Declare(ctx, variable, r)
	if err != nil {
		return err
	}
	a.done("declared", variable, "in %s", config.FileName)
	if !trusted {
		a.hint("the files here were not trusted, and still are not:  tacit trust")
	}
	return nil
}

func (a *app) rollbackCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rollback REFERENCE",
		Short: "Write an old value as a new version",
		Long:  "Write the value of an old version, the previous one unless @version names another,\nas a new version. Nothing is lost: the history only grows.",
		Example: `  tacit rollback claude/api
  tacit rollback claude/api@3`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.rollback(cmd.Context(), args[0])
		},
	}
}

func (a *app) rollback(ctx context.Context, arg string) error {
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	r, err := a.ref(o, arg)
	if err != nil {
		return err
	}
	if r.Field != "" {
		return secret.Errorf(secret.Invalid, "", "rollback writes a whole value: give no #field")
	}
	if r.At == (secret.At{}) {
		r.At.Stage = secret.Previous
	}
	if err := a.askProtected(ctx, o, r); err != nil {
		return err
	}
	v, err := o.Broker.Rollback(ctx, o.Caller, r)
	if err != nil {
		return a.explain(ctx, o, r, err)
	}
	if a.flags.json {
		return a.object(changeJSON{Env: r.Env, Name: string(r.Name), Version: v.Number, ID: string(v.ID)})
	}
	was := versionText(r.At)
	if r.At.Stage != "" {
		was = "the " + was
	}
	a.done("rolled", plain(r), "%s is current again, as version %d", was, v.Number)
	return nil
}

// versionText names the version that is meant.
func versionText(at secret.At) string {
	switch {
	case at.Number != 0:
		return fmt.Sprintf("version %d", at.Number)
	case at.Stage == secret.Current, at.Stage == secret.Previous:
		return string(at.Stage) + " version"
	case at.Stage != "":
		return fmt.Sprintf("version at stage %q", at.Stage)
	case at.ID != "":
		return "version " + string(at.ID)
	default:
		return "version"
	}
}
