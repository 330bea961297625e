//! Cedar's Rust crate under the benchmark's clock, beside bench/core/bench.c.
//!
//! Reads commands on standard input, one a line, and answers each with one line
//! of JSON on standard output:
//!
//!   run PREFIX PASSES      read PREFIX.cedar, PREFIX.entities and
//!                          PREFIX.requests, decide every request, then take
//!                          times in this many passes
//!   count PREFIX PASSES    the same without a clock; for callgrind, toggled on
//!                          authorize_one()
//!
//! Everything but authorize_one() is outside of the times: the policy set
//! parsed, the entities loaded with their ancestors computed, the requests
//! made.  What is timed is `is_authorized` and dropping its response.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::time::Instant;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, EntityUid, PolicyId, PolicySet,
    Request,
};
use serde_json::{json, Value};

type Failure = Box<dyn Error>;

const CLOCK_SAMPLES: usize = 1001;

struct World {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    requests: Vec<Request>,
}

fn read_request(line: &str) -> Result<Request, Failure> {
    let mut request: Value = serde_json::from_str(line)?;
    let mut member = |name: &str| request[name].take();
    let principal = EntityUid::from_json(member("principal"))?;
    let action = EntityUid::from_json(member("action"))?;
    let resource = EntityUid::from_json(member("resource"))?;
    let context = Context::from_json_value(member("context"), None)?;

    Ok(Request::new(principal, action, resource, context, None)?)
}

fn load(prefix: &str) -> Result<World, Failure> {
    let policies = fs::read_to_string(format!("{prefix}.cedar"))?.parse()?;
    let entities =
        Entities::from_json_str(&fs::read_to_string(format!("{prefix}.entities"))?, None)?;
    let requests = fs::read_to_string(format!("{prefix}.requests"))?
        .lines()
        .map(read_request)
        .collect::<Result<_, _>>()?;

    Ok(World {
        authorizer: Authorizer::new(),
        policies,
        entities,
        requests,
    })
}

/// What is timed.  Neither inlined nor renamed, for callgrind to find it.
#[inline(never)]
#[no_mangle]
fn authorize_one(world: &World, request: &Request) -> bool {
    let response = world
        .authorizer
        .is_authorized(request, &world.policies, &world.entities);

    black_box(&response).decision() == Decision::Allow
}

fn median(times: &mut [i64]) -> i64 {
    times.sort_unstable();
    times[times.len() / 2]
}

fn since(start: Instant) -> i64 {
    start.elapsed().as_nanos() as i64
}

/// What two readings of the clock with nothing between them are apart.
fn clock_cost() -> i64 {
    let mut times: Vec<i64> = (0..CLOCK_SAMPLES).map(|_| since(Instant::now())).collect();

    median(&mut times)
}

/// The crate numbers the policies of a text: policy0, policy1, …
fn numbers<'a>(ids: impl Iterator<Item = &'a PolicyId>) -> Result<Vec<u32>, Failure> {
    let mut numbers = ids
        .map(|id| {
            let id: &str = id.as_ref();

            Ok(id
                .strip_prefix("policy")
                .ok_or("unknown policy id")?
                .parse()?)
        })
        .collect::<Result<Vec<u32>, Failure>>()?;

    numbers.sort_unstable();
    Ok(numbers)
}

/// Decide all requests: this warms up, and is what the engines must agree on.
fn decisions(world: &World) -> Result<Vec<Value>, Failure> {
    let decide = |request| {
        let response = world
            .authorizer
            .is_authorized(request, &world.policies, &world.entities);
        let diagnostics = response.diagnostics();
        let failed = diagnostics.errors().map(|error| match error {
            AuthorizationError::PolicyEvaluationError(e) => e.policy_id(),
        });

        Ok(json!({
            "allow": response.decision() == Decision::Allow,
            "reasons": numbers(diagnostics.reason())?,
            "errors": numbers(failed)?,
        }))
    };

    world.requests.iter().map(decide).collect()
}

/// A request's time is the median of its times in all passes.
fn run(prefix: &str, passes: usize) -> Result<Value, Failure> {
    let world = load(prefix)?;
    let cost = clock_cost();
    let decisions = decisions(&world)?;
    let mut times = vec![vec![0; passes]; world.requests.len()];
    let mut row = i64::MAX;
    let mut allowed = 0u32;

    // each request by itself
    for pass in 0..passes {
        for (request, times) in world.requests.iter().zip(&mut times) {
            let start = Instant::now();

            allowed += u32::from(authorize_one(&world, request));
            times[pass] = since(start) - cost;
        }
    }

    // all of them in a row, with no clock in between, unless once was long enough
    for _ in (0..passes).filter(|_| passes > 1) {
        let start = Instant::now();

        for request in &world.requests {
            allowed += u32::from(authorize_one(&world, request));
        }
        row = row.min(since(start));
    }

    Ok(json!({
        "policies": world.policies.policies().count(),
        "decisions": decisions,
        "times": times.iter_mut().map(|times| median(times)).collect::<Vec<_>>(),
        "row": if passes > 1 { row } else { 0 },
        "clock": cost,
        "allowed": allowed,
    }))
}

fn count(prefix: &str, passes: usize) -> Result<Value, Failure> {
    let world = load(prefix)?;
    let mut allowed = 0u32;

    for _ in 0..passes {
        for request in &world.requests {
            allowed += u32::from(authorize_one(&world, request));
        }
    }

    Ok(json!({ "requests": world.requests.len() * passes, "allowed": allowed }))
}

fn main() -> Result<(), Failure> {
    let mut out = io::stdout().lock();

    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = match *line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["run", prefix, passes] => run(prefix, passes.parse()?)?,
            ["count", prefix, passes] => count(prefix, passes.parse()?)?,
            _ => return Err(format!("no such command: {line}").into()),
        };

        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
