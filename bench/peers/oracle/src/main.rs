//! Cedar's Rust crate as an oracle, of the version that the npm package
//! `@cedar-policy/cedar-wasm` wraps, for test/conformance/oracle.
//!
//! Reads questions on standard input, one a line: `{"fn", "arg"}`, where `fn`
//! is a function of the npm package and `arg` its argument; answers each with
//! one line of JSON, the package's answer.  What the package lacks:
//!
//!   validateWithLevel {"schema", "policies", "level"}   as validate, but with
//!       a level (RFC 76); `policies` is a text
//!
//! An argument that the package would throw at gives `{"type": "thrown"}`.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::thread;

use cedar_policy::ffi;
use cedar_policy::{PolicySet, Schema, SchemaFragment, ValidationMode, Validator};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{json, Value};

type Failure = Box<dyn Error>;

/// The crate recurses; what it cannot do in this is not asked of it.
const STACK: usize = 256 * 1024 * 1024;

#[derive(Deserialize)]
struct Question<'a> {
    #[serde(rename = "fn")]
    function: String,
    #[serde(borrow)]
    arg: &'a RawValue,
}

#[derive(Deserialize)]
struct LevelCall {
    schema: Value,
    policies: String,
    level: u32,
}

fn validate_with_level(call: LevelCall) -> Result<Value, Failure> {
    let fragment = match call.schema {
        Value::String(text) => SchemaFragment::from_cedarschema_str(&text)?.0,
        json => SchemaFragment::from_json_value(json)?,
    };
    let schema = Schema::from_schema_fragments([fragment])?;
    let policies: PolicySet = call.policies.parse()?;
    let result =
        Validator::new(schema).validate_with_level(&policies, ValidationMode::Strict, call.level);
    let finding = |policy: String, message: String| json!({"policyId": policy, "error": {"message": message}});
    let errors: Vec<Value> = result
        .validation_errors()
        .map(|e| finding(e.policy_id().to_string(), e.to_string()))
        .collect();
    let warnings: Vec<Value> = result
        .validation_warnings()
        .map(|w| finding(w.policy_id().to_string(), w.to_string()))
        .collect();

    Ok(json!({"type": "success", "validationErrors": errors, "validationWarnings": warnings}))
}

fn answer(line: &str) -> Result<String, Failure> {
    let question: Question = serde_json::from_str(line)?;
    let arg = question.arg.get();

    Ok(match question.function.as_str() {
        "checkParsePolicySet" => ffi::check_parse_policy_set_json_str(arg)?,
        "checkParseSchema" => ffi::check_parse_schema_json_str(arg)?,
        "checkParseEntities" => ffi::check_parse_entities_json_str(arg)?,
        "checkParseContext" => ffi::check_parse_context_json_str(arg)?,
        "isAuthorized" => ffi::is_authorized_json_str(arg)?,
        "validate" => ffi::validate_json_str(arg)?,
        "schemaToJson" => serde_json::to_string(&ffi::schema_to_json(serde_json::from_str(arg)?))?,
        "schemaToText" => serde_json::to_string(&ffi::schema_to_text(serde_json::from_str(arg)?))?,
        "policyToJson" => serde_json::to_string(&ffi::policy_to_json(serde_json::from_str(arg)?))?,
        "templateToJson" => {
            serde_json::to_string(&ffi::template_to_json(serde_json::from_str(arg)?))?
        }
        "validateWithLevel" => match validate_with_level(serde_json::from_str(arg)?) {
            Ok(value) => value.to_string(),
            Err(e) => {
                json!({"type": "failure", "errors": [{"message": e.to_string()}]}).to_string()
            }
        },
        other => return Err(format!("no such function: {other}").into()),
    })
}

fn serve() -> io::Result<()> {
    let mut out = io::stdout().lock();

    for line in io::stdin().lock().lines() {
        match answer(&line?) {
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

fn main() -> Result<(), Failure> {
    let server = thread::Builder::new().stack_size(STACK).spawn(serve)?;

    Ok(server.join().map_err(|_| "the oracle panicked")??)
}
