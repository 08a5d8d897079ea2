//! Progress bar of a job, drawn on standard error if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use tribute_client::Client;
use tribute_problem::Result;
use tribute_proto::v1;

/// Waits for a job while showing its progress.
pub(crate) async fn finish(client: &Client, title: &str, job: &v1::Job) -> Result<v1::Job> {
    let bar = ProgressBar::new(1);
    if let Ok(style) = ProgressStyle::with_template("{prefix:<22} {bar:28} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_prefix(title.to_owned());
    bar.set_message("waits for a worker");
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    let done = client
        .finish(&job.id, |event| match &event.event {
            Some(v1::job_event::Event::Progress(p)) => {
                bar.set_length(p.total.max(1));
                bar.set_position(p.done);
                bar.set_message(p.phase.clone());
            }
            Some(v1::job_event::Event::Requeued(why)) => bar.println(format!("{title}: restarting, {why}")),
            _ => {}
        })
        .await;
    match &done {
        Ok(_) => bar.finish_with_message("done"),
        Err(_) => bar.abandon_with_message("failed"),
    }
    done
}
