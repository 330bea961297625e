//! Cedar's Rust crate as an oracle, of the version that the npm package
//! `@cedar-policy/cedar-wasm` wraps, for scripts/oracle.
//!
//! Reads questions on standard input, one a line: `{"fn", "args"}`, where `fn`
//! is a function of the npm package and `args` the list of its arguments;
//! answers each with one line of JSON, the package's answer.  What the package
//! lacks:
//!
//!   validateWithLevels {"schema", "policies", "levels"}   as validate, but a
//!       list, one answer for each level (RFC 76); `policies` is a text
//!
//! An argument that the package would throw at gives `{"type": "thrown"}`.  A
//! question that takes too long ends the program.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use cedar_policy::ffi;
use cedar_policy::{PolicySet, Schema, SchemaFragment, ValidationMode, Validator};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{json, Value};

type Failure = Box<dyn Error>;

/// The crate recurses; what it cannot do in this is not asked of it.
const STACK: usize = 256 * 1024 * 1024;

/// Some questions take it a time exponential in their length.
const PATIENCE: Duration = Duration::from_secs(4);

/// How many questions were begun and ended: odd while one is being answered.
static STEPS: AtomicU64 = AtomicU64::new(0);

#[derive(Deserialize)]
struct Question<'a> {
    #[serde(rename = "fn")]
    function: String,
    #[serde(borrow)]
    args: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct LevelsCall {
    schema: Value,
    policies: String,
    levels: Vec<u32>,
}

fn validate_with_levels(call: LevelsCall) -> Result<Value, Failure> {
    let fragment = match call.schema {
        Value::String(text) => SchemaFragment::from_cedarschema_str(&text)?.0,
        json => SchemaFragment::from_json_value(json)?,
    };
    let validator = Validator::new(Schema::from_schema_fragments([fragment])?);
    let policies: PolicySet = call.policies.parse()?;
    let finding = |policy: String, message: String| json!({"policyId": policy, "error": {"message": message}});
    let answers = call.levels.into_iter().map(|level| {
        let result = validator.validate_with_level(&policies, ValidationMode::Strict, level);
        let errors: Vec<Value> = result
            .validation_errors()
            .map(|e| finding(e.policy_id().to_string(), e.to_string()))
            .collect();
        let warnings: Vec<Value> = result
            .validation_warnings()
            .map(|w| finding(w.policy_id().to_string(), w.to_string()))
            .collect();
        json!({"type": "success", "validationErrors": errors, "validationWarnings": warnings})
    });

    Ok(answers.collect())
}

fn answer(line: &str) -> Result<String, Failure> {
    let question: Question = serde_json::from_str(line)?;
    let arg = question.args.first().ok_or("no argument")?.get();
    let second = || question.args.get(1).map(|a| a.get()).ok_or("one argument");

    Ok(match question.function.as_str() {
        "checkParsePolicySet" => ffi::check_parse_policy_set_json_str(arg)?,
        "checkParseSchema" => ffi::check_parse_schema_json_str(arg)?,
        "checkParseEntities" => ffi::check_parse_entities_json_str(arg)?,
        "checkParseContext" => ffi::check_parse_context_json_str(arg)?,
        "isAuthorized" => ffi::is_authorized_json_str(arg)?,
        "preparsePolicySet" => text(&ffi::preparse_policy_set(read(arg)?, read(second()?)?))?,
        "preparseSchema" => text(&ffi::preparse_schema(read(arg)?, read(second()?)?))?,
        "statefulIsAuthorized" => text(&ffi::stateful_is_authorized(read(arg)?))?,
        "validate" => ffi::validate_json_str(arg)?,
        "schemaToJson" => text(&ffi::schema_to_json(read(arg)?))?,
        "schemaToText" => text(&ffi::schema_to_text(read(arg)?))?,
        "policyToJson" => text(&ffi::policy_to_json(read(arg)?))?,
        "policyToText" => text(&ffi::policy_to_text(read(arg)?))?,
        "templateToJson" => text(&ffi::template_to_json(read(arg)?))?,
        "templateToText" => text(&ffi::template_to_text(read(arg)?))?,
        "formatPolicies" => ffi::format_json_str(arg)?,
        "validateWithLevels" => match validate_with_levels(read(arg)?) {
            Ok(value) => value.to_string(),
            Err(e) => {
                json!({"type": "failure", "errors": [{"message": e.to_string()}]}).to_string()
            }
        },
        other => return Err(format!("no such function: {other}").into()),
    })
}

fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Failure> {
    Ok(serde_json::from_str(json)?)
}

fn text(answer: &impl Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string(answer)?)
}

fn serve() -> io::Result<()> {
    let mut out = io::stdout().lock();

    for line in io::stdin().lock().lines() {
        let line = line?;
        STEPS.fetch_add(1, Ordering::Relaxed);
        let answer = answer(&line);
        STEPS.fetch_add(1, Ordering::Relaxed);
        match answer {
            Ok(text) => writeln!(out, "{text}")?,
            Err(e) => writeln!(
                out,
                "{}",
                json!({"type": "thrown", "message": e.to_string()})
            )?,
        }
    }
    out.flush()
}

fn watch() {
    loop {
        let before = STEPS.load(Ordering::Relaxed);
        thread::sleep(PATIENCE);
        if before % 2 == 1 && STEPS.load(Ordering::Relaxed) == before {
            process::exit(3);
        }
    }
}

fn main() -> Result<(), Failure> {
    thread::spawn(watch);
    let server = thread::Builder::new().stack_size(STACK).spawn(serve)?;

    Ok(server.join().map_err(|_| "the oracle panicked")??)
}
