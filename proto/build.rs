//! Compiles `tribute/v1/*.proto` with protox: no protoc anywhere. Of every call's option `call` it makes a row of `CALLS`.

use std::fmt::Write as _;
use std::{env, fs, path::PathBuf};

use protox::prost_reflect::{DescriptorPool, DynamicMessage, Value};

/// Most bytes of a message where the option says nothing.
const USUAL_LIMIT: u32 = 65_536;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut files: Vec<PathBuf> = fs::read_dir(root.join("tribute/v1"))?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "proto"))
        .collect();
    files.sort();
    println!("cargo:rerun-if-changed=tribute/v1");

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    // as the compiler wrote them: the options would not survive decoding
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    fs::write(out.join("calls.rs"), calls(&compiler.descriptor_pool())?)?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// The rows of `CALLS`, in Rust.
fn calls(pool: &DescriptorPool) -> Result<String, Box<dyn std::error::Error>> {
    let option = pool.get_extension_by_name("tribute.v1.call").ok_or("no option tribute.v1.call")?;
    let mut rows = String::from("&[\n");
    for service in pool.services().filter(|s| s.package_name() == "tribute.v1") {
        for method in service.methods() {
            let path = format!("/{}/{}", service.full_name(), method.name());
            let options: DynamicMessage = method.options();
            let rule = options.get_extension(&option);
            let rule = rule.as_message().ok_or("the option is no message")?;
            let number = |name| rule.get_field_by_name(name).map(std::borrow::Cow::into_owned);
            let access = match number("access") {
                Some(Value::EnumNumber(1)) => "Public",
                Some(Value::EnumNumber(2)) => "Read",
                Some(Value::EnumNumber(3)) => "Signed",
                _ => return Err(format!("{path} does not say who may call it: give it `option (call)`").into()),
            };
            let limit = match number("limit") {
                Some(Value::U32(limit)) if limit > 0 => limit,
                _ => USUAL_LIMIT,
            };
            let watcher = matches!(number("watcher"), Some(Value::Bool(true)));
            let streams = match (method.is_client_streaming(), method.is_server_streaming()) {
                (false, _) => "No",
                (true, false) => "Whole",
                (true, true) => "Each",
            };
            writeln!(
                rows,
                "    Call {{ path: {path:?}, access: Access::{access}, limit: {limit}, streams: Streams::{streams}, \
                 watcher: {watcher} }},"
            )?;
        }
    }
    rows.push(']');
    Ok(rows)
}
