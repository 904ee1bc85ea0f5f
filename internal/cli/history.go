package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "history NAME",
		Short:             "List the versions of a secret",
		Example:           "  tacit history claude/api",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.history(cmd.Context(), args[0])
		},
	}
}

// versionJSON is what history prints with --json.
type versionJSON struct {
	Env       string            `json:"env"`
	Name      string            `json:"name"`
	Version   uint64            `json:"version"`
	ID        string            `json:"id"`
	Stages    []secret.Stage    `json:"stages,omitempty"`
	Created   time.Time         `json:"created"`
	Age       string            `json:"age"`
	State     string            `json:"state,omitempty"`
	Expires   time.Time         `json:"expires,omitzero"`
	Tags      map[string]string `json:"tags,omitempty"`
	Destroyed bool              `json:"destroyed,omitempty"`
	Keeps     int               `json:"max_versions,omitempty"`
}

func (a *app) history(ctx context.Context, arg string) error {
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	r, err := a.plainRef(o, arg)
	if err != nil {
		return err
	}
	t := &table{head: []string{"VERSION", "STAGE", "CREATED", "STATE", "ID"}, right: map[int]bool{0: true}}
	keeps := 0
	for v, err := range o.Broker.Versions(ctx, o.Caller, r) {
		if err != nil {
			return a.explain(ctx, o, r, err)
		}
		if v.Secret != nil {
			keeps = v.Secret.MaxVersions
		}
		state := ""
		if s := v.State(a.now()); s != 0 {
			state = s.Error()
		}
		if a.flags.json {
			if err := a.object(versionJSON{
				Env: r.Env, Name: string(r.Name), Version: v.Number, ID: string(v.ID), Stages: v.Stages, Created: v.Created,
				Age: a.age(v.Created), State: state, Expires: v.Expires, Tags: v.Tags, Destroyed: v.Destroyed, Keeps: keeps,
			}); err != nil {
				return err
			}
			continue
		}
		t.add(strconv.FormatUint(v.Number, 10), stages(v.Stages), v.Created.Local().Format("2006-01-02 15:04"), state, string(v.ID))
	}
	if a.flags.json {
		return nil
	}
	err = a.table(t)
	if err == nil && keeps > 0 {
		a.done("keeps", r.String(), "at least the newest %d versions", keeps)
	}
	return err
}

func stages(all []secret.Stage) string {
	var out []string
	for _, s := range all {
		out = append(out, string(s))
	}
	return strings.Join(out, " ")
}
