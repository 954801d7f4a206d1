package dbusapi

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// The polkit actions, without their common front.
const (
	actionRegister = "register"
	actionSequence = "sequence"
	actionReload   = "reload"
	actionKeys     = "keys"
	actionVoter    = "voter"
	actionFailover = "failover"
	// The action of an operation is its word: disqualify, qualify, shutdown, switchover, start,
	// cluster-shutdown, rolling-reboot.
)

// managerMethods is the table that the XML and the man page are compared with.
func (s *Server) managerMethods() []method {
	const m = ManagerInterface

	return []method{
		{m, "RegisterCallback", "ssia{sv}", "o", s.planRegister},
		{m, "UnregisterCallback", "o", "", s.planUnregister},
		{m, "Done", "tis", "", s.planDone},
		{m, "GetPendingCallbacks", "", "a(tsosita{sv})", s.planPending},
		{m, "SubscribeCancellation", "t", "", s.planSubscribe},
		{m, "RequestOperation", "ssta{sv}", "o", s.planRequest},
		{m, "PlanOperation", "ssta{sv}", "as", s.planPlan},
		{m, "MasterReady", "", "st", s.planMasterReady},
		{m, "GetConfig", "s", "v", s.planConfig},
		{m, "GetStatus", "t", "s", s.planStatus},
		{m, "ListNodes", "t", "a(ssstbbbsso)", s.planListNodes},
		{m, "ListRegistrations", "t", "a(tssisstso)", s.planListRegistrations},
		{m, "ListOperations", "t", "a(tsssssto)", s.planListOperations},
		{m, "ListMembers", "t", "a(ssss)", s.planListMembers},
		{m, "History", "ut", "as", s.planHistory},
		{m, "NodeStatus", "st", "s", s.planNodeStatus},
		{m, "NodeHistory", "sut", "as", s.planNodeHistory},
		{m, "Retry", "st", "", s.planHeld(s.backend.Retry)},
		{m, "Skip", "st", "", s.planHeld(s.backend.Skip)},
		{m, "Abort", "st", "", s.planHeld(s.backend.Abort)},
		{m, "Sync", "t", "", s.planSimple(actionSequence, s.backend.Sync)},
		{m, "Reload", "t", "", s.planSimple(actionReload, s.backend.Reload)},
		{m, "Keys", "sst", "a(sbasas)", s.planKeys},
		{m, "ResetVoter", "t", "", s.planResetVoter},
		{m, "Failover", "sta{sv}", "", s.planFailover},
	}
}

// always is a plan that needs no right and has its answer already.
func always(values []any) plan {
	return plan{run: func(context.Context) ([]any, error) { return values, nil }}
}

func (s *Server) planRegister(c *call) (plan, error) {
	registration, err := parseRegistration(c.body)
	if err != nil {
		return plan{}, fmt.Errorf("register callback: %w", err)
	}
	registration.Client = c.client()

	return plan{
		action:  actionRegister,
		details: map[string]string{"component": registration.Component, "sequence": registration.Position.Sequence.String()},
		run: func(ctx context.Context) ([]any, error) {
			registration.Unit = callerUnit(ctx)
			id, err := s.backend.Register(ctx, registration)
			if err != nil {
				return nil, err
			}

			return []any{RegistrationPath(id)}, nil
		},
	}, nil
}

func (s *Server) planUnregister(c *call) (plan, error) {
	path := c.body[0].(dbus.ObjectPath)
	id, valid := parseNumberedPath(path, registrationPrefix)
	if !valid {
		return plan{}, fmt.Errorf("unregister callback: %w: %s is no registration", levels.ErrNoSuchRegistration, quote(string(path)))
	}

	return plan{action: actionRegister, run: func(ctx context.Context) ([]any, error) {
		return nil, s.backend.Unregister(ctx, c.client(), levels.RegistrationID(id))
	}}, nil
}

func (s *Server) planDone(c *call) (plan, error) {
	done, err := parseDone(c.body)
	if err != nil {
		return plan{}, fmt.Errorf("done: %w", err)
	}
	done.Client = c.client()

	return plan{action: actionRegister, run: func(ctx context.Context) ([]any, error) {
		return nil, s.backend.Done(ctx, done)
	}}, nil
}

func (s *Server) planSubscribe(c *call) (plan, error) {
	if err := checkFlags(c.body[0].(uint64), 0); err != nil {
		return plan{}, fmt.Errorf("subscribe cancellation: %w", err)
	}

	return plan{action: actionRegister, run: func(ctx context.Context) ([]any, error) {
		return nil, s.backend.SubscribeCancellation(ctx, c.client())
	}}, nil
}

// requested is an operation on a node.
type requested struct {
	levels.OperationRequested

	node levels.NodeID // empty: the agent's choice
}

// requested reads an operation and what polkit shall know of it.
func (s *Server) requested(c *call, dryRun bool) (requested, plan, error) {
	now, err := s.status()
	if err != nil {
		return requested{}, plan{}, err
	}
	request, err := parseOperation(c.body)
	if err != nil {
		return requested{}, plan{}, err
	}
	request.DryRun = dryRun
	node, err := parseNode(c.body[1].(string))
	if err != nil {
		return requested{}, plan{}, fmt.Errorf("operation %s: %w", request.Kind, err)
	}

	return requested{request, node}, plan{
		action: request.Kind.String(),
		details: map[string]string{
			"operation": request.Kind.String(), "node": string(cmp.Or(node, now.Node)), "mode": request.Mode.String(), "to": string(request.To),
		},
	}, nil
}

func (s *Server) planRequest(c *call) (plan, error) {
	request, todo, err := s.requested(c, false)
	if err != nil {
		return plan{}, fmt.Errorf("request operation: %w", err)
	}
	todo.run = func(ctx context.Context) ([]any, error) {
		request.By = callerText(ctx)
		id, _, err := s.backend.OperationOn(ctx, request.node, request.OperationRequested)
		if err != nil {
			return nil, err
		}

		return []any{OperationPath(id)}, nil
	}

	return todo, nil
}

func (s *Server) planPlan(c *call) (plan, error) {
	request, todo, err := s.requested(c, true)
	if err != nil {
		return plan{}, fmt.Errorf("plan operation: %w", err)
	}
	todo.run = func(ctx context.Context) ([]any, error) {
		request.By = callerText(ctx)
		_, steps, err := s.backend.OperationOn(ctx, request.node, request.OperationRequested)
		if err != nil {
			return nil, err
		}

		return []any{append([]string{}, steps...)}, nil
	}

	return todo, nil
}

func (s *Server) planMasterReady(*call) (plan, error) {
	now, err := s.status()
	if err != nil {
		return plan{}, err
	}
	if !now.MasterReady || now.Master == "" {
		return plan{}, fmt.Errorf("master ready: %w: no master is ready, wait for the signal MasterReady", levels.ErrTryAgain)
	}

	return always([]any{string(now.Master), uint64(now.Term)}), nil
}

// eventMatch is how one subscribes to an event, the answer to GetConfig.
func eventMatch(member string) string {
	return "type='signal',sender='" + BusName + "',path='" + RootPath + "',interface='" + ManagerInterface + "',member='" + member + "'"
}

func (s *Server) planConfig(c *call) (plan, error) {
	key := c.body[0].(string)
	if err := checkText("key", key, MaxConfigKey); err != nil {
		return plan{}, fmt.Errorf("get config: %w", err)
	}
	switch key {
	case "channel":
		return always([]any{dbus.MakeVariant(BusName)}), nil
	case "event.master-ready":
		return always([]any{dbus.MakeVariant(eventMatch("MasterReady"))}), nil
	case "event.disqualified":
		return always([]any{dbus.MakeVariant(eventMatch("NodeDisqualified"))}), nil
	case "event.qualified":
		return always([]any{dbus.MakeVariant(eventMatch("NodeQualified"))}), nil
	}
	found, err := s.backend.ConfigValue(key)
	if err != nil {
		return plan{}, fmt.Errorf("get config %s: %w", quote(key), err)
	}

	return always([]any{configVariant(found)}), nil
}

// configVariant gives numbers and words one type each, whatever Go type they have.
func configVariant(found any) dbus.Variant {
	switch v := found.(type) {
	case int:
		return dbus.MakeVariant(int64(v))
	case fmt.Stringer:
		return dbus.MakeVariant(v.String())
	default:
		return dbus.MakeVariant(v)
	}
}

// withoutFlags is the front of every method that reads and whose flags are none yet.
func (s *Server) withoutFlags(c *call, flags uint64) (*snapshot, error) {
	if err := checkFlags(flags, 0); err != nil {
		return nil, fmt.Errorf("%s: %w", strings.ToLower(c.member), err)
	}

	return s.status()
}

func (s *Server) planStatus(c *call) (plan, error) {
	now, err := s.withoutFlags(c, c.body[0].(uint64))
	if err != nil {
		return plan{}, err
	}
	text, err := now.json()

	return always([]any{text}), err
}

func (s *Server) planHistory(c *call) (plan, error) {
	limit := c.body[0].(uint32)
	if err := checkFlags(c.body[1].(uint64), 0); err != nil {
		return plan{}, fmt.Errorf("history: %w", err)
	}

	return plan{run: func(ctx context.Context) ([]any, error) {
		records, err := s.backend.History(ctx, int(min(limit, 1<<20)))
		if err != nil {
			return nil, err
		}

		return []any{append([]string{}, records...)}, nil
	}}, nil
}

func (s *Server) planNodeStatus(c *call) (plan, error) {
	node, err := parseNode(c.body[0].(string))
	if err == nil {
		err = checkFlags(c.body[1].(uint64), 0)
	}
	if err != nil {
		return plan{}, fmt.Errorf("status of a node: %w", err)
	}

	return plan{run: func(ctx context.Context) ([]any, error) {
		text, err := s.backend.NodeStatus(ctx, node)
		if err != nil {
			return nil, err
		}

		return []any{text}, nil
	}}, nil
}

func (s *Server) planNodeHistory(c *call) (plan, error) {
	node, err := parseNode(c.body[0].(string))
	if err == nil {
		err = checkFlags(c.body[2].(uint64), 0)
	}
	if err != nil {
		return plan{}, fmt.Errorf("history of a node: %w", err)
	}
	limit := c.body[1].(uint32)

	return plan{run: func(ctx context.Context) ([]any, error) {
		records, err := s.backend.NodeHistory(ctx, node, int(min(limit, 1<<20)))
		if err != nil {
			return nil, err
		}

		return []any{append([]string{}, records...)}, nil
	}}, nil
}

// planHeld makes the methods that decide about a held run.
func (s *Server) planHeld(decide func(context.Context, levels.Sequence) error) func(*call) (plan, error) {
	return func(c *call) (plan, error) {
		sequence, err := checkSequence(c.body[0].(string))
		if err == nil {
			err = checkFlags(c.body[1].(uint64), 0)
		}
		if err != nil {
			return plan{}, fmt.Errorf("%s: %w", strings.ToLower(c.member), err)
		}

		return plan{
			action:  actionSequence,
			details: map[string]string{"sequence": sequence.String(), "operation": strings.ToLower(c.member)},
			run:     func(ctx context.Context) ([]any, error) { return nil, decide(ctx, sequence) },
		}, nil
	}
}

// planSimple makes the methods that have flags only.
func (s *Server) planSimple(action string, do func(context.Context) error) func(*call) (plan, error) {
	return func(c *call) (plan, error) {
		if err := checkFlags(c.body[0].(uint64), 0); err != nil {
			return plan{}, fmt.Errorf("%s: %w", strings.ToLower(c.member), err)
		}

		return plan{
			action:  action,
			details: map[string]string{"operation": strings.ToLower(c.member)},
			run:     func(ctx context.Context) ([]any, error) { return nil, do(ctx) },
		}, nil
	}
}
