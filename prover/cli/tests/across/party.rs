//! Parties with nodes, and the links to them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use alloy::signers::local::PrivateKeySigner;
use serde_json::Value;
use tribute_client::Client;
use tribute_testing::calls::registered;
use tribute_testing::data::{self, csv, wine_schema, WINE};
use tribute_testing::{program, Place, Served};

/// The smallest profile that the softmax tables fit. A training uploads half a megabyte a party, and `make kills` trains often.
const SMALL: &[&str] = &["--k", "14", "--lease-ms", "1500", "--upload-quota", "1024"];
pub(crate) const LAMBDA: &str = "0.0078125";

/// Every third wine, so that each part has all classes.
pub(crate) fn part(i: usize) -> Vec<u8> {
    let (header, rows) = WINE.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().skip(i).step_by(3).collect();
    format!("{header}\n{}\n", rows.join("\n")).into_bytes()
}

/// Twenty wines, each moved a little, so that they are none of those that were trained on.
pub(crate) fn held_out() -> Vec<u8> {
    let (header, rows) = WINE.split_once('\n').unwrap();
    let moved = |row: &str| {
        let (first, rest) = row.split_once(',').unwrap();
        format!("{},{rest}", 0.999 * first.parse::<f64>().unwrap() + 0.013)
    };
    let rows: Vec<String> = rows.lines().step_by(9).map(moved).collect();
    format!("{header}\n{}\n", rows.join("\n")).into_bytes()
}

/// Somebody with a node, reached through a link.
pub(crate) struct Party {
    pub(crate) key: PrivateKeySigner,
    pub(crate) place: Place,
    pub(crate) served: Served,
    pub(crate) link: Link,
    address: String,
}

impl Party {
    pub(crate) fn new() -> Self {
        Party::with(SMALL)
    }

    pub(crate) fn with(options: &[&str]) -> Self {
        let place = Place::new();
        let link = Link::new();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let served = place.serve_at(&address, &[options, &names(&link, &address)].concat());
        link.to.lock().unwrap().clone_from(&address);
        Party { key: PrivateKeySigner::random(), place, served, link, address }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.served.url, self.key.clone()).await.unwrap()
    }

    /// A third of the wines, registered here: the `--node` argument that asks for it.
    pub(crate) async fn wines(&self, i: usize) -> String {
        let work = data::dataset(&wine_schema(), csv("wine.csv", part(i)));
        let dataset = registered(&self.client().await, work).await;
        format!("{}=0x{}", self.link.url(), hex::encode(&dataset.id))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(self.place.path())
            .env("TRIBUTE_KEY", hex::encode(self.key.to_bytes()))
            .env("TRIBUTE_SERVER", &self.served.url);
        command
    }

    pub(crate) fn says(&self, arguments: &[&str]) -> Value {
        self.says_as(&self.key, arguments)
    }

    /// The same for another account at this node.
    pub(crate) fn says_as(&self, key: &PrivateKeySigner, arguments: &[&str]) -> Value {
        let output = self.command(arguments).env("TRIBUTE_KEY", hex::encode(key.to_bytes())).output().unwrap();
        assert!(output.status.success(), "tribute {arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(!output.status.success(), "tribute {arguments:?} should fail");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Kills the server and starts it again at the same address.
    pub(crate) fn restart(&mut self) {
        self.served.process.kill().unwrap();
        self.served.process.wait().unwrap();
        self.served = self.place.serve_at(&self.address, &[SMALL, &names(&self.link, &self.address)].concat());
    }
}

/// A node is called by its own address at home, and by its link's from elsewhere.
fn names<'a>(link: &'a Link, address: &'a str) -> [&'a str; 4] {
    ["--name", &link.address, "--name", address]
}

/// Forwards connections, and strikes when a certain piece of data comes by.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) address: String,
    to: Arc<Mutex<String>>,
    /// Pieces that came by in both directions.
    pieces: Arc<AtomicUsize>,
    strike: Arc<Mutex<Option<Strike>>>,
}

/// What happens when piece `at` comes by, before it is passed on.
struct Strike {
    at: usize,
    act: Box<dyn FnOnce() + Send>,
}

impl Link {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = Link {
            address: listener.local_addr().unwrap().to_string(),
            to: Arc::default(),
            pieces: Arc::default(),
            strike: Arc::default(),
        };
        let this = link.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let to = this.to.lock().unwrap().clone();
                // a node that is away refuses connections
                let Ok(far) = TcpStream::connect(to) else { continue };
                let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (one, other) = (this.clone(), this.clone());
                std::thread::spawn(move || one.copy(near, far));
                std::thread::spawn(move || other.copy(far_too, near_too));
            }
        });
        link
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Acts once, when piece `at` from now on comes by.
    pub(crate) fn strike(&self, at: usize, act: impl FnOnce() + Send + 'static) {
        *self.strike.lock().unwrap() = Some(Strike { at: self.pieces() + at, act: Box::new(act) });
    }

    /// Gives up on a strike that has not come; whether there was one.
    pub(crate) fn calm(&self) -> bool {
        self.strike.lock().unwrap().take().is_some()
    }

    /// Pieces that came by so far.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces.load(Ordering::SeqCst)
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let number = self.pieces.fetch_add(1, Ordering::SeqCst);
            let strike = {
                let mut held = self.strike.lock().unwrap();
                let due = held.as_ref().is_some_and(|strike| number >= strike.at);
                if due {
                    held.take()
                } else {
                    None
                }
            };
            if let Some(strike) = strike {
                (strike.act)();
            }
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}
