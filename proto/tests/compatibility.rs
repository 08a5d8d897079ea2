//! Checks that the wire format of `tribute.v1` matches `wire.txt`. Nothing that clients rely on may be renumbered,
//! retyped, renamed or dropped without raising the version of the messages in CHANGELOG.md. `make proto-snapshot`
//! records additions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prost::Message as _;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet};

/// Maps a key, such as `message tribute.v1.Voucher 1`, to its definition, such as `bytes session`.
type Listing = BTreeMap<String, String>;

/// Row with the version of the messages in the table of versions in CHANGELOG.md.
const ROW: &str = "| messages of the service (`tribute.v1`) |";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn current() -> Listing {
    listing(&FileDescriptorSet::decode(tribute_proto::FILE_DESCRIPTOR_SET).unwrap())
}

fn listing(set: &FileDescriptorSet) -> Listing {
    let mut found = Listing::new();
    for file in set.file.iter().filter(|file| file.package() == "tribute.v1") {
        for message in &file.message_type {
            list_message(&mut found, file.package(), message);
        }
        for kind in &file.enum_type {
            list_enum(&mut found, file.package(), kind);
        }
        for service in &file.service {
            for call in &service.method {
                let stream = |streams: bool| if streams { "stream " } else { "" };
                found.insert(
                    format!("service {}.{} {}", file.package(), service.name(), call.name()),
                    format!(
                        "{}{} -> {}{}",
                        stream(call.client_streaming()),
                        call.input_type(),
                        stream(call.server_streaming()),
                        call.output_type()
                    ),
                );
            }
        }
    }
    found
}

fn list_message(found: &mut Listing, scope: &str, message: &DescriptorProto) {
    let name = format!("{scope}.{}", message.name());
    for field in &message.field {
        let kind = match field.type_name() {
            "" => format!("{:?}", field.r#type()).to_lowercase(),
            named => named.to_owned(),
        };
        let presence = match field.oneof_index {
            Some(_) if field.proto3_optional() => "optional ".to_owned(),
            Some(i) => format!("oneof {} ", message.oneof_decl[i as usize].name()),
            None => String::new(),
        };
        let label = format!("{:?} ", field.label()).to_lowercase();
        let label = if label.starts_with("repeated") { label } else { String::new() };
        found.insert(format!("message {name} {}", field.number()), format!("{presence}{label}{kind} {}", field.name()));
    }
    for range in &message.reserved_range {
        for number in range.start()..range.end() {
            found.insert(format!("message {name} {number}"), "reserved".into());
        }
    }
    message.nested_type.iter().for_each(|nested| list_message(found, &name, nested));
    message.enum_type.iter().for_each(|kind| list_enum(found, &name, kind));
}

fn list_enum(found: &mut Listing, scope: &str, kind: &EnumDescriptorProto) {
    for value in &kind.value {
        found.insert(format!("enum {scope}.{} {}", kind.name(), value.number()), value.name().to_owned());
    }
}

/// Changes from `before` to `after` that break clients. Removing a field is not one if its number is reserved.
fn breaks(before: &Listing, after: &Listing) -> Vec<String> {
    let broken = |(key, was): (&String, &String)| match after.get(key) {
        Some(is) if is == was || (is == "reserved" && key.starts_with("message ")) => None,
        Some(is) => Some(format!("{key}: was `{was}`, is `{is}`")),
        None => Some(format!("{key}: `{was}` is gone")),
    };
    before.iter().filter_map(broken).collect()
}

/// Text of a snapshot: the version of the messages, then one line per entry.
fn written(version: u32, listing: &Listing) -> String {
    let lines = listing.iter().map(|(key, value)| format!("{key}: {value}\n"));
    std::iter::once(format!("version {version}\n")).chain(lines).collect()
}

fn read(text: &str) -> (u32, Listing) {
    let (first, rest) = text.split_once('\n').expect("a first line");
    let version = first.strip_prefix("version ").and_then(|v| v.parse().ok()).expect("`version N` in the first line");
    let entry = |line: &str| line.split_once(": ").map(|(key, value)| (key.to_owned(), value.to_owned()));
    (version, rest.lines().map(|line| entry(line).expect("`key: value`")).collect())
}

fn changelog_version() -> u32 {
    let text = std::fs::read_to_string(folder().join("../CHANGELOG.md")).expect("CHANGELOG.md");
    let row = text.lines().find_map(|line| line.strip_prefix(ROW)).expect("a row for the messages in CHANGELOG.md");
    row.trim_matches(['|', ' ']).parse().expect("a number in the row for the messages in CHANGELOG.md")
}

/// Checks the current messages against the snapshot and the version in the change log.
fn verdict(snapshot: &str, version: u32, now: &Listing) -> Result<(), String> {
    let (known, before) = read(snapshot);
    let broken = breaks(&before, now);
    match (broken.is_empty(), version.cmp(&known)) {
        (_, std::cmp::Ordering::Less) => Err(format!(
            "CHANGELOG.md has version {version} of the messages, wire.txt has {known}: versions never go back"
        )),
        (false, std::cmp::Ordering::Equal) => Err(format!(
            "messages changed in a way that breaks clients; if that is intended, raise their version in CHANGELOG.md:\n{}",
            broken.join("\n")
        )),
        _ => Ok(()),
    }
}

fn snapshot() -> (PathBuf, String) {
    let file = folder().join(Path::new("wire.txt"));
    let text = std::fs::read_to_string(&file).expect("proto/wire.txt");
    (file, text)
}

#[test]
fn the_snapshot_is_current_and_nothing_broke() {
    let (file, text) = snapshot();
    let (version, now) = (changelog_version(), current());
    if let Err(reason) = verdict(&text, version, &now) {
        panic!("{reason}");
    }
    let wanted = written(version, &now);
    if std::env::var_os("TRIBUTE_RENEW").is_some() {
        std::fs::write(file, wanted).unwrap();
    } else {
        assert!(text == wanted, "proto/wire.txt is not current: `make proto-snapshot`");
    }
}

/// The current messages with one entry replaced or removed.
fn with(key: &str, value: Option<&str>) -> Listing {
    let mut changed = current();
    assert!(changed.remove(key).is_some(), "{key}");
    changed.extend(value.map(|v| (key.to_owned(), v.to_owned())));
    changed
}

#[test]
fn additions_and_reserved_numbers_break_nothing() {
    let before = written(7, &current());
    let mut more = current();
    more.insert("message tribute.v1.Voucher 99".into(), "bytes more".into());
    more.insert("service tribute.v1.JobService More".into(), "a -> b".into());
    assert_eq!(verdict(&before, 7, &more), Ok(()));
    assert_eq!(verdict(&before, 7, &with("message tribute.v1.Voucher 1", Some("reserved"))), Ok(()));
}

#[test]
fn changes_that_break_clients_need_a_higher_version() {
    let before = written(7, &current());
    for (key, value) in [
        ("message tribute.v1.Voucher 1", None),
        ("message tribute.v1.Voucher 1", Some("string session")),
        ("message tribute.v1.Voucher 1", Some("bytes salt")),
        ("message tribute.v1.Voucher 1", Some("repeated bytes session")),
        ("message tribute.v1.Voucher 1", Some("oneof either bytes session")),
        ("enum tribute.v1.Link 1", Some("LINK_OTHER")),
        ("enum tribute.v1.Link 1", Some("reserved")),
        ("service tribute.v1.JobService WatchJob", None),
        ("service tribute.v1.JobService WatchJob", Some(".tribute.v1.WatchJobRequest -> .tribute.v1.JobEvent")),
    ] {
        let after = with(key, value);
        let refused = verdict(&before, 7, &after).unwrap_err();
        assert!(refused.contains(key), "{refused}");
        assert_eq!(verdict(&before, 8, &after), Ok(()), "{key}");
    }
}

#[test]
fn versions_never_go_back() {
    let before = written(7, &current());
    assert_eq!(verdict(&before, 7, &current()), Ok(()));
    assert!(verdict(&before, 6, &current()).unwrap_err().contains("never go back"));
}

#[test]
fn a_snapshot_reads_back_as_written() {
    let now = current();
    assert_eq!(read(&written(3, &now)), (3, now));
}
