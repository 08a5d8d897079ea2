//! A way to the database that can be cut: then nothing passes any more, and nobody is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Leads from a network namespace to the database. Where namespaces are not allowed, from this machine.
pub(crate) struct Wire {
    /// Where it begins.
    pub(crate) address: SocketAddr,
    namespace: Option<Namespace>,
    cut: watch::Sender<bool>,
}

impl Wire {
    pub(crate) async fn to(target: String) -> Self {
        let namespace =
            Namespace::new().map_err(|why| println!("no network namespaces here ({why}): a relay is cut")).ok();
        let here = namespace.as_ref().map_or("127.0.0.1".to_owned(), |namespace| namespace.address(1));
        let listener = TcpListener::bind((here.as_str(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, is_cut) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (target, mut is_cut) = (target.clone(), is_cut.clone());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        // both ends stay open: neither hears anything
                        () = becomes(&mut is_cut, true) => becomes(&mut is_cut, false).await,
                    }
                });
            }
        });
        Wire { address, namespace, cut }
    }

    /// A command that runs `program` where the wire begins.
    pub(crate) fn beyond(&self, program: PathBuf) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &namespace.name]).arg(program);
        command
    }

    pub(crate) fn cut(&self, cut: bool) {
        match &self.namespace {
            Some(namespace) => ip(&["link", "set", &namespace.name, if cut { "down" } else { "up" }]).unwrap(),
            None => drop(self.cut.send_replace(cut)),
        }
    }
}

async fn becomes(cut: &mut watch::Receiver<bool>, wanted: bool) {
    let _ = cut.wait_for(|cut| *cut == wanted).await;
}

/// A network namespace, joined to this machine by one link of the same name.
struct Namespace {
    name: String,
}

impl Namespace {
    fn new() -> Result<Self, String> {
        // a link's name has at most 15 characters
        let made = Namespace { name: format!("tr-{}", std::process::id()) };
        let (name, ends) = (made.name.as_str(), [1, 2].map(|end| format!("{}/30", made.address(end))));
        ip(&["netns", "add", name])?;
        ip(&["link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name])?;
        ip(&["addr", "add", &ends[0], "dev", name])?;
        ip(&["link", "set", name, "up"])?;
        ip(&["-n", name, "addr", "add", &ends[1], "dev", "eth0"])?;
        ip(&["-n", name, "link", "set", "eth0", "up"])?;
        Ok(made)
    }

    /// Address of the link's end: 1 on this machine, 2 in the namespace. Of a network of its own, as one of a run that was killed
    /// may be left.
    fn address(&self, end: u32) -> String {
        let net = std::process::id() % 16_384;
        format!("10.78.{}.{}", net / 64, net % 64 * 4 + end)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let ended = Command::new("ip").args(arguments).output().map_err(|e| format!("ip: {e}"))?;
    if ended.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&ended.stderr).trim().to_owned())
    }
}
