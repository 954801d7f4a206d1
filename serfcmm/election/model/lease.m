-- The lease rule of package election as a model for rumur: three voters, their clocks, votes,
-- promises, renewals, releases and crashes, in every order that there is. "make model" exhausts it,
-- and plants each of the bugs listed below to show that the model can fail.
--
-- What is in it, in the words of the package:
--
--   * Time. A true tick moves all clocks by one, but in one tick of each CYCLE every node's clock
--     moves by 0, 1 or 2, as it likes: in any CYCLE ticks it is wrong by one at most, so the error
--     rho is 1/CYCLE, and the lease L is CYCLE true ticks. An asker counts L(1-rho) on its clock from
--     before it asked, a voter L(1+rho) on its own from after it was asked. Nothing in the model
--     compares two clocks. With these numbers the rule holds with no slack at all: the longest lease
--     and the shortest promise are both CYCLE true ticks.
--   * Messages. The network is the set of all that was ever said, and a receiver takes from it
--     what it likes, when it likes, as often as it likes, or never: delay, reordering, loss and
--     duplication without a bound. So a question needs no slot, only the fact that it was asked
--     ("asked", "elected"), a vote is "votes" of a campaign that still runs, and a release is true of
--     every term in which its asker will never act again, whether it was sent or not.
--     The answer to a renewal comes at once or never: an answer that comes later could only give
--     a part of the lease that the model gives at once, and a lease that is longer than the real one
--     makes the invariants harder to keep. A question of a renewal may be of any age ("left").
--   * Disk: term, vote, masterTerm, promised with its term and whether it was a long one. It is
--     written before the answer by construction; "support is promised" and the crash rule check that
--     it is enough. A promise that has run out is forgotten on the disk too, so that a voter that
--     restarts is freer here than the real one.
--   * Crash. A node that is down is one that takes no message and makes no move, which every
--     node may do here anyway; so a crash is what a restart finds: the campaign is forgotten, and a
--     promise on disk counts as made just now. A mastership goes on over a restart of the process within
--     the lease, and ends ("stop") when the machine fails.
--   * Handover: "stop", then the release reaches whom it likes. That the target's vote repeats
--     the released term is the same release by another messenger.
--   * The relaxed renewal: the term of a renewal is compared with masterTerm only, so that a
--     voter which voted in vain in a higher term goes back to the living master.
--   * Planned restart (PLANNED): a master asks for twice the lease. After the restart its
--     renewals give the rest back: the master cuts its own lease first, then the voter its promise,
--     unless the question on which that promise rests is a newer one, or one of an earlier life of the
--     voter. "stage" numbers the questions of one mastership that far: 0 before the planned
--     restart, 1 for it, 2 after it; those of 0 and 2 give back.
--
-- What is left out, because it never lets a node do what it may not do here: pre-votes, ranks,
-- stagger, vice, the hash, standing, ceasing before the end, flap hold. What is left out because
-- other tests have it: voters without their state, changes of the node table, FencedAsked, the
-- rule of two nodes, more than three voters.
--
-- A promise counted from when the question was sent is not among the bugs: with the sender's own
-- measure of the question's age it still ends after the lease. The harmful twin is a lease
-- counted from when the answer was received.

const
  -- What model_test.go varies. TERMS bounds the number of masterships. Without STALE a vote is asked
  -- for only while the campaign runs: a voter that hears it later has a higher term and a promise
  -- to a node that cannot use it, so may do less. Without SEEN masterTerm refuses no renewal, so
  -- that voters may do more. Both are there to make room for a third term.
  CYCLE: 3;
  TERMS: 2;
  STALE: 1;
  SEEN: 1;
  PLANNED: 0;
  LEMMA: 1;
  BUG: 0;

  NODES: 3;
  LEASE: CYCLE - 1;
  PROMISE: CYCLE + 1;

  -- Planted bugs. Each must be found.
  MAJORITY_SHORT: 1;
  PROMISE_WITHOUT_DRIFT: 2;
  LEASE_WITHOUT_DRIFT: 3;
  LEASE_FROM_RECEIPT: 4;
  LEASE_TAKEN_BACK: 5;
  VOTE_TWICE: 6;
  VOTE_WHILE_PROMISED: 7;
  RENEWAL_WHILE_PROMISED: 8;
  RENEWAL_LEAVES_PROMISE: 9;
  CANDIDATE_WHILE_PROMISED: 10;
  RESTART_FORGETS_PROMISE: 11;
  RESTART_FORGETS_VOTE: 12;
  RESTART_FORGETS_LENGTH: 13;
  SHORT_PROMISE_CUTS_LONG: 14;
  RELEASE_BEFORE_STOP: 15;
  RELEASE_OF_OLDER_TERM: 16;
  RELEASE_COUNTS_AS_VOTE: 17;
  ABANDON_NOT_FINAL: 18;
  STALE_RENEWAL_LOWERS_TERM: 19;
  GIVEN_BACK_OUT_OF_ORDER: 20;
  GIVEN_BACK_AFTER_RESTART: 21;
  GIVEN_BACK_BUT_USED: 22;

type
  node: scalarset(NODES);
  term: 0 .. TERMS;
  ticks: 0 .. 2 * PROMISE;
  stage: 0 .. 2;

var
  phase: 0 .. CYCLE - 1; -- clocks may err when it is 0
  s: array[node] of record
    -- On disk. No promise is "promised" undefined.
    term: term;
    vote: node;
    masterTerm: term;
    promised: node;
    promisedTerm: term;
    long: boolean;
    made: stage;                    -- of the question that gave the promise its end (in memory)
    -- In memory, counted down by the node's own clock.
    left: ticks;                    -- of the promise
    campaign: ticks;                -- of the lease that a victory would give; 0 = none runs
    votes: array[node] of boolean;  -- given to the campaign
    leading: boolean;
    lease: array[node] of ticks;    -- given by each voter's newest answer
    stage: stage;                   -- what it has asked for
  end;
  asked: array[term] of array[node] of boolean; -- votes were asked for
  elected: array[term] of node;

---- arithmetic

function majority(): 1 .. NODES;
begin
  return (BUG = MAJORITY_SHORT) ? NODES / 2 : NODES / 2 + 1;
end;

function leaseOf(long: boolean): ticks;
var length: ticks;
begin
  length := (BUG = LEASE_WITHOUT_DRIFT) ? CYCLE : LEASE;
  return long ? 2 * length : length;
end;

function promiseOf(long: boolean): ticks;
var length: ticks;
begin
  length := (BUG = PROMISE_WITHOUT_DRIFT) ? CYCLE : PROMISE;
  return long ? 2 * length : length;
end;

-- acts says what MayAct says: enough voters' answers still count.
function acts(n: node): boolean;
var count: 0 .. NODES;
begin
  count := 0;
  for v: node do
    if s[n].lease[v] > 0 then count := count + 1; end;
  end;
  return s[n].leading & count >= majority();
end;

---- what a node does

-- free: v has promised nothing to a node other than c.
function free(v: node; c: node): boolean;
begin
  if isundefined(s[v].promised) then return true; end;
  return s[v].promised = c;
end;

procedure void(v: node);
begin
  undefine s[v].promised;
  s[v].promisedTerm := 0;
  s[v].long := false;
  s[v].made := 0;
  s[v].left := 0;
end;

-- promise: v promises c, from now. It never takes back what it promised c before: neither the
-- length nor the term, by which a release names it.
procedure promise(v: node; c: node; t: term; long: boolean);
begin
  if BUG = SHORT_PROMISE_CUTS_LONG then
    s[v].left := promiseOf(long);
  elsif s[v].left < promiseOf(long) & !(BUG = RENEWAL_LEAVES_PROMISE & s[v].left > 0) then
    s[v].left := promiseOf(long);
  end;
  s[v].long := s[v].long | long;
  s[v].promised := c;
  if t > s[v].promisedTerm | BUG = STALE_RENEWAL_LOWERS_TERM then s[v].promisedTerm := t; end;
end;

procedure abandon(c: node);
begin
  s[c].campaign := 0;
  for v: node do s[c].votes[v] := false; end;
end;

procedure lose(m: node);
begin
  s[m].leading := false;
  s[m].stage := 0;
  for v: node do s[m].lease[v] := 0; end;
end;

-- advance moves n's clock. A lease that is over is lost at once; a master that goes on has
-- asked itself again.
procedure advance(n: node; step: ticks);
begin
  if s[n].left > step then s[n].left := s[n].left - step; else void(n); end;
  if s[n].campaign > step then s[n].campaign := s[n].campaign - step; else abandon(n); end;
  for v: node do
    s[n].lease[v] := (s[n].lease[v] > step) ? s[n].lease[v] - step : 0;
  end;
  if s[n].leading then
    if acts(n) then
      promise(n, n, s[n].term, false);
      if s[n].lease[n] < leaseOf(false) then s[n].lease[n] := leaseOf(false); end;
    elsif BUG != LEASE_TAKEN_BACK then
      lose(n);
    end;
  end;
end;

procedure nextPhase();
begin
  phase := (phase + 1) % CYCLE;
end;

startstate "fresh"
begin
  clear phase;
  for n: node do
    clear s[n];
    undefine s[n].vote;
    undefine s[n].promised;
  end;
  for t: term do
    for n: node do asked[t][n] := false; end;
    undefine elected[t];
  end;
end;

---- elections

-- A term above all that anybody has seen by more than one would differ in its number only.
ruleset n: node; t: term do
  rule "campaign"
    t > s[n].term & exists m: node do t <= s[m].term + 1 end
    & !s[n].leading & s[n].campaign = 0 & (free(n, n) | BUG = CANDIDATE_WHILE_PROMISED)
  ==>
  begin
    s[n].term := t;
    s[n].vote := n;
    promise(n, n, t, false);
    s[n].campaign := leaseOf(false);
    s[n].votes[n] := true;
    asked[t][n] := STALE = 1;
  end;
end;

ruleset v: node; c: node; t: term do
  rule "vote"
    v != c & (asked[t][c] | (s[c].campaign > 0 & s[c].term = t))
    & !s[v].leading & s[v].campaign = 0
    & (t > s[v].term | (t = s[v].term & (s[v].vote = c | BUG = VOTE_TWICE)))
    & (free(v, c) | BUG = VOTE_WHILE_PROMISED)
  ==>
  begin
    s[v].term := t;
    s[v].vote := c;
    promise(v, c, t, false);
    if s[c].term = t & s[c].campaign > 0 then s[c].votes[v] := true; end;
  end;
end;

-- voted: v has voted for c in the campaign that runs.
function voted(c: node; v: node): boolean;
begin
  if s[c].votes[v] then return true; end;
  if BUG = RELEASE_COUNTS_AS_VOTE & s[c].term > 1 & !isundefined(elected[s[c].term - 1]) then
    return v = elected[s[c].term - 1] & !s[v].leading;
  end;
  return false;
end;

function support(c: node): 0 .. NODES;
var count: 0 .. NODES;
begin
  count := 0;
  for v: node do
    if voted(c, v) then count := count + 1; end;
  end;
  return count;
end;

ruleset c: node do
  rule "win"
    s[c].campaign > 0 & support(c) >= majority()
  ==>
  begin
    for v: node do
      s[c].lease[v] := voted(c, v) ? ((BUG = LEASE_FROM_RECEIPT) ? leaseOf(false) : s[c].campaign) : 0;
    end;
    abandon(c);
    s[c].leading := true;
    assert "I2 one holder of each term" isundefined(elected[s[c].term]);
    elected[s[c].term] := c;
    if SEEN = 1 then s[c].masterTerm := s[c].term; end;
  end;
end;

---- renewals

-- giveBack: v promised m more than an ordinary renewal asks for, and m does not rely on it.
procedure giveBack(v: node; asked: stage);
begin
  if (asked > s[v].made | BUG = GIVEN_BACK_OUT_OF_ORDER | (BUG = GIVEN_BACK_AFTER_RESTART & s[v].made = 2))
    & PLANNED = 1 & s[v].left > promiseOf(false) then
    s[v].left := promiseOf(false);
    s[v].long := false;
    s[v].made := asked;
  end;
end;

-- left is what the answer is worth to the master: less, the longer the question was under way, and
-- nothing when it no longer leads in that term or has restarted since.
ruleset m: node; v: node; t: term; left: 0 .. (1 + PLANNED) * CYCLE; q: 0 .. 2 * PLANNED do
  rule "renew"
    m != v & !isundefined(elected[t]) & elected[t] = m
    & ((s[m].leading & s[m].term = t)
       ? (q <= s[m].stage & ((s[m].stage < 2 | q = 2) ? (left > 0 & left <= leaseOf(q = 1)) : left = 0))
       : (left = 0 & q != 1))
    & !s[v].leading & s[v].campaign = 0
    & t >= s[v].masterTerm
    & (free(v, m) | BUG = RENEWAL_WHILE_PROMISED)
  ==>
  begin
    if SEEN = 1 then s[v].masterTerm := t; end;
    promise(v, m, t, q = 1);
    if q = 1 then s[v].made := 1; end;
    if q != 1 & t = s[v].promisedTerm then giveBack(v, q); end;
    if left > s[m].lease[v] then s[m].lease[v] := left; end;
  end;
end;

ruleset m: node do
  rule "plan a restart"
    PLANNED = 1 & s[m].leading & s[m].stage = 0
  ==>
  begin
    s[m].stage := 1;
  end;
  rule "come back"
    s[m].leading & s[m].stage = 1
  ==>
  begin
    s[m].stage := 2;
    for v: node do
      if s[m].lease[v] > leaseOf(false) & BUG != GIVEN_BACK_BUT_USED then s[m].lease[v] := leaseOf(false); end;
    end;
  end;
end;

---- endings

-- may: m may act in term t, now or later.
function may(m: node; t: term): boolean;
begin
  return s[m].term = t
    & ((s[m].campaign > 0 & BUG != ABANDON_NOT_FINAL) | (s[m].leading & BUG != RELEASE_BEFORE_STOP));
end;

ruleset v: node do
  rule "release"
    !isundefined(s[v].promised)
    & (!may(s[v].promised, s[v].promisedTerm)
       | (BUG = RELEASE_OF_OLDER_TERM & exists t: term do t < s[v].promisedTerm & asked[t][s[v].promised] end))
  ==>
  begin
    void(v);
  end;
end;

ruleset n: node do
  rule "abandon" s[n].campaign > 0 ==> begin abandon(n); end;
  rule "stop" s[n].leading ==> begin lose(n); end;
  rule "restart"
    s[n].campaign > 0 | !isundefined(s[n].promised) | BUG = RESTART_FORGETS_VOTE
  ==>
  begin
    abandon(n);
    if BUG = RESTART_FORGETS_VOTE & s[n].term > 0 then
      s[n].term := s[n].term - 1;
      s[n].vote := n;
    end;
    if BUG = RESTART_FORGETS_PROMISE then
      void(n);
    elsif !isundefined(s[n].promised) then
      s[n].left := promiseOf(s[n].long & BUG != RESTART_FORGETS_LENGTH);
      s[n].made := 2 * PLANNED;
    end;
  end;
end;

---- time

rule "tick"
  phase != 0
==>
begin
  for n: node do advance(n, 1); end;
  nextPhase();
end;

-- The three rules below are all the 27 ways in which three clocks can err.
ruleset all: 0 .. 2 do
  rule "tick, all err alike"
    phase = 0
  ==>
  begin
    for n: node do advance(n, all); end;
    nextPhase();
  end;
end;

ruleset a: node; one: 0 .. 2; others: 0 .. 2 do
  rule "tick, one errs differently"
    phase = 0 & one != others
  ==>
  begin
    for n: node do advance(n, (n = a) ? one : others); end;
    nextPhase();
  end;
end;

ruleset a: node; b: node do
  rule "tick, each errs differently"
    phase = 0 & a != b
  ==>
  begin
    for n: node do advance(n, (n = a) ? 0 : ((n = b) ? 2 : 1)); end;
    nextPhase();
  end;
end;

---- what must hold

invariant "I1 one master at most"
  forall a: node do forall b: node do
    a = b | !s[a].leading | !s[b].leading | !acts(a) | !acts(b)
  end end;

invariant "I2 terms of masters do not fall"
  forall m: node do
    s[m].leading & acts(m) -> forall t: term do t <= s[m].term | isundefined(elected[t]) end
  end;

-- I8, and why I1 holds: what a master counts on is promised, on disk, in its term. Off where a bug
-- is to be seen in its effect.
invariant "I8 support is promised"
  LEMMA = 1 -> forall m: node do forall v: node do
    s[m].lease[v] > 0
    -> (!isundefined(s[v].promised) & s[v].promised = m & s[v].promisedTerm = s[m].term)
  end end;

---- what must be met, so that the above says something

cover "a master of the last term" !isundefined(elected[TERMS]);

cover "two candidates of one term"
  exists a: node do exists b: node do
    a != b & s[a].campaign > 0 & s[b].campaign > 0 & s[a].term = s[b].term
  end end;

cover "a candidate beside a master"
  exists a: node do exists b: node do s[a].leading & s[b].campaign > 0 end end;

cover "a voter of a higher term supports the master of a lower"
  exists m: node do exists v: node do s[m].lease[v] > 0 & s[v].term > s[m].term end end;

cover "a promise outlives its mastership"
  exists v: node do
    !isundefined(s[v].promised) & s[v].promisedTerm > 0 & !may(s[v].promised, s[v].promisedTerm)
  end;

cover "a master lives on a long lease"
  PLANNED = 1 -> exists m: node do exists v: node do s[m].leading & s[m].lease[v] > leaseOf(false) end end;
