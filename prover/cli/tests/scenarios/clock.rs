//! The machine's clock is set, ahead and back, while jobs run. On SQLite the database's clock is the machine's. A library that is
//! loaded before the system's shifts the clock of the server, and of nothing else on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use prost::Message as _;
use tribute_client::signing::Content;
use tribute_problem::{Problem, Reason};
use tribute_proto::v1::{self, JobState};
use tribute_testing::calls::{connect, submit, try_submit, until};
use tribute_testing::{program, raw};

use super::stage::{slow, works, Stage};

/// Adds the seconds in a file to the time of day.
const SHIFT: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long *shift;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("CLOCK_SHIFT");
    int opened = file ? open(file, O_RDONLY) : -1;
    if (opened < 0) return;
    void *mapped = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, opened, 0);
    if (mapped != MAP_FAILED) shift = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && shift && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *shift;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec t;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &t)) return -1;
    now->tv_sec = t.tv_sec;
    now->tv_usec = t.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *to) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (to) *to = t.tv_sec;
    return t.tv_sec;
}
"#;

const DAY: i64 = 86_400;
const SUBMIT: &str = "/tribute.v1.JobService/Submit";

/// A clock that can be set.
struct Clock {
    library: PathBuf,
    shift: PathBuf,
}

impl Clock {
    fn new(folder: &Path) -> Self {
        let [source, library, shift] = ["shift.c", "shift.so", "shift"].map(|name| folder.join(name));
        std::fs::write(&source, SHIFT).unwrap();
        let built = Command::new("cc").args(["-shared", "-fPIC", "-O2", "-o"]).args([&library, &source]).status();
        assert!(built.expect("a C compiler").success());
        let clock = Clock { library, shift };
        clock.set(0);
        clock
    }

    /// Sets the clock to so many seconds after the true time.
    fn set(&self, seconds: i64) {
        use std::os::unix::fs::FileExt as _;
        // in place: processes have the file mapped
        let file = std::fs::File::options().create(true).truncate(false).write(true).open(&self.shift).unwrap();
        file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    /// The program under this clock.
    fn program(&self) -> Command {
        let mut command = Command::new(program());
        command.env("LD_PRELOAD", &self.library).env("CLOCK_SHIFT", &self.shift);
        command
    }
}

pub(crate) async fn steps() -> (i64, i64) {
    let stage = Stage::on_sqlite();
    let clock = Clock::new(stage.place.path());
    let mut served = stage.serve_with(clock.program(), "1");
    let client = connect(&served.url).await;

    // a signed call that the server has answered
    let request = v1::SubmitRequest { work: Some(slow("steps")), options: None }.encode_to_vec();
    let signed = client.authorization(SUBMIT, Content::of(&request)).unwrap();
    let channel = raw::channel(&served.url).await;
    let answer = raw::call(&channel, SUBMIT, request.clone(), Some(&signed)).await.unwrap();
    let job = v1::SubmitResponse::decode(&answer[..]).unwrap().job.unwrap();
    until(&client, &job.id, works).await;
    for shift in [DAY, -DAY, 200, -200] {
        clock.set(shift);
        // never twice, whatever the time
        let replayed = raw::call(&channel, SUBMIT, request.clone(), Some(&signed)).await.unwrap_err();
        let reason = Problem::from_status(&replayed).unwrap().reason;
        assert!([Reason::NonceReplayed, Reason::RequestExpired].contains(&reason), "{replayed:?}");
        if shift.abs() == DAY {
            let refused = try_submit(&client, slow("at another time")).await.unwrap_err();
            assert_eq!(refused.reason, Reason::RequestExpired, "{refused}");
        }
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    clock.set(0);
    until(&client, &job.id, |j| j.state() == JobState::Succeeded).await;

    // a server that dies while its clock is a day ahead: its lease must not last until then
    let job = submit(&client, slow("ahead")).await;
    until(&client, &job.id, works).await;
    clock.set(DAY);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    served.process.kill().unwrap();
    served.process.wait().unwrap();
    clock.set(0);
    let _served = stage.serve_with(clock.program(), "1");
    stage.all_succeed().await
}
