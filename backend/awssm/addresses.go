package awssm

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// addresses are those of the services that sign in, as AWS publishes them. The
// SDK takes them from AWS_ENDPOINT_URL… and from profiles too, and cannot be
// told not to; but whoever sends programs to tacit by these variables must not
// send tacit to itself, nor its identity tokens elsewhere.
type addresses struct{ dual, fips *bool }

func addressesOf(ctx context.Context, said aws.Config) addresses {
	var dual, fips bool
	for _, source := range said.ConfigSources {
		if p, ok := source.(interface {
			GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error)
		}); ok {
			if v, found, err := p.GetUseDualStackEndpoint(ctx); found && err == nil {
				dual = dual || v == aws.DualStackEndpointStateEnabled
			}
		}
		if p, ok := source.(interface {
			GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error)
		}); ok {
			if v, found, err := p.GetUseFIPSEndpoint(ctx); found && err == nil {
				fips = fips || v == aws.FIPSEndpointStateEnabled
			}
		}
	}
	return addresses{&dual, &fips}
}

// resolver is the name that the SDK gives to the step which chooses an address.
const resolver = "ResolveEndpointV2"

// instead replaces that step for the services that sign in.
func (a addresses) instead(stack *middleware.Stack) error {
	theirs, ok := stack.Finalize.Get(resolver)
	if !ok {
		return nil // asks no service of AWS: the metadata of a machine or a container
	}
	_, err := stack.Finalize.Swap(resolver, middleware.FinalizeMiddlewareFunc(resolver,
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			at, ours, err := a.of(ctx)
			if err != nil {
				return middleware.FinalizeOutput{}, middleware.Metadata{}, err
			}
			if !ours {
				return theirs.HandleFinalize(ctx, in, next)
			}
			req, ok := in.Request.(*smithyhttp.Request)
			if !ok {
				return middleware.FinalizeOutput{}, middleware.Metadata{}, fmt.Errorf("%T is no request", in.Request)
			}
			req.URL.Scheme, req.URL.Host = at.URI.Scheme, at.URI.Host
			return next.HandleFinalize(ctx, in)
		}))
	return err
}

// of returns the published address of the service that is asked; false for
// Secrets Manager, whose address the settings say.
func (a addresses) of(ctx context.Context) (at smithyendpoints.Endpoint, ours bool, err error) {
	region := awsmiddleware.GetRegion(ctx)
	switch awsmiddleware.GetServiceID(ctx) {
	case sts.ServiceID:
		at, err = sts.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, sts.EndpointParameters{Region: &region, UseDualStack: a.dual, UseFIPS: a.fips})
	case sso.ServiceID:
		at, err = sso.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, sso.EndpointParameters{Region: &region, UseDualStack: a.dual, UseFIPS: a.fips})
	case ssooidc.ServiceID:
		at, err = ssooidc.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, ssooidc.EndpointParameters{Region: &region, UseDualStack: a.dual, UseFIPS: a.fips})
	case signin.ServiceID:
		at, err = signin.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, signin.EndpointParameters{Region: &region, UseDualStack: a.dual, UseFIPS: a.fips, IsControlPlane: aws.Bool(false)})
	default:
		return at, false, nil
	}
	return at, true, err
}
