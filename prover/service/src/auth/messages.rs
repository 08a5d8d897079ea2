//! The messages of a call whose client streams them: none longer than the call allows, none compressed, however they arrive.

use std::pin::Pin;
use std::task::{ready, Context, Poll};

use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::Status;
use tribute_problem::{Problem, Reason, Result};
use tribute_proto::Call;

/// Bytes of the gRPC frame header: compression flag and message length.
pub(super) const FRAME: usize = 5;

/// A body of gRPC messages that checks every frame header as it passes.
pub(super) struct Messages {
    call: &'static Call,
    body: Body,
    /// What was read to see the first message.
    ahead: Option<Bytes>,
    /// Bytes of a frame header that has not arrived as a whole.
    header: Vec<u8>,
    /// Bytes that are missing from the current message.
    left: usize,
}

impl Messages {
    pub(super) fn new(call: &'static Call, body: Body) -> Self {
        Messages { call, body, ahead: None, header: Vec::with_capacity(FRAME), left: 0 }
    }

    /// The first message. It stays in the body.
    ///
    /// # Errors
    /// If it does not arrive, or a frame header is refused.
    pub(super) async fn first(&mut self) -> Result<Bytes> {
        let mut read = Vec::new();
        loop {
            if let Some((frame, rest)) = read.split_first_chunk::<FRAME>() {
                if let Some(message) = rest.get(..length_of(frame)) {
                    let message = Bytes::copy_from_slice(message);
                    self.ahead = Some(read.into());
                    return Ok(message);
                }
            }
            let broken = |said: &str| Problem::field("message", format!("it broke off: {said}"));
            let frame = self.body.frame().await.ok_or_else(|| broken("the stream has no message"))?;
            let Ok(data) = frame.map_err(|e| broken(e.message()))?.into_data() else { continue };
            self.check(&data)?;
            read.extend_from_slice(&data);
        }
    }

    fn check(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let skipped = self.left.min(data.len());
            self.left -= skipped;
            data = &data[skipped..];
            let taken = (FRAME - self.header.len()).min(data.len());
            self.header.extend_from_slice(&data[..taken]);
            data = &data[taken..];
            let Some(frame) = self.header.first_chunk::<FRAME>() else { continue };
            if frame[0] != 0 {
                return Err(compressed());
            }
            self.left = length_of(frame);
            if self.left > self.call.limit as usize {
                return Err(too_long(self.call, self.left as u64));
            }
            self.header.clear();
        }
        Ok(())
    }
}

fn length_of(frame: &[u8; FRAME]) -> usize {
    let [_, length @ ..] = *frame;
    u32::from_be_bytes(length) as usize
}

pub(super) fn compressed() -> Problem {
    Problem::field("message", "is compressed, which this server does not read: send it as it is")
}

pub(super) fn too_long(call: &Call, length: u64) -> Problem {
    let (path, limit) = (call.path, call.limit);
    Problem::new(
        Reason::TooLarge,
        format!(
            "a message of {path} has at most {limit} bytes, this one {length} or more: upload tables and models apart"
        ),
    )
    .with("limit", limit)
    .with("length", length)
}

impl HttpBody for Messages {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Status>>> {
        let me = self.get_mut();
        if let Some(ahead) = me.ahead.take() {
            return Poll::Ready(Some(Ok(Frame::data(ahead))));
        }
        let frame = ready!(Pin::new(&mut me.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            if let Some(Err(problem)) = frame.data_ref().cloned().map(|data| me.check(&data)) {
                return Poll::Ready(Some(Err(problem.into())));
            }
        }
        Poll::Ready(frame)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use tribute_proto::{Access, Streams};

    use super::*;

    const CALL: &Call =
        &Call { path: "/x/Y", access: Access::Signed, limit: 8, streams: Streams::Each, watcher: false };
    const TWO: &[u8] = &[0, 0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];

    fn messages(pieces: &[&[u8]]) -> Messages {
        let piece = |p: &&[u8]| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(p)));
        let pieces: Vec<_> = pieces.iter().map(piece).collect();
        Messages::new(CALL, Body::new(StreamBody::new(futures::stream::iter(pieces))))
    }

    async fn rest(messages: Messages) -> Result<Vec<u8>, Option<Reason>> {
        let read = messages.collect().await.map_err(|e| Problem::from_status(&e).map(|p| p.reason))?;
        Ok(read.to_bytes().to_vec())
    }

    #[tokio::test]
    async fn the_first_message_is_seen_and_stays_however_it_arrives() {
        for size in 1..=TWO.len() {
            let mut whole = messages(&TWO.chunks(size).collect::<Vec<_>>());
            assert_eq!(whole.first().await.unwrap(), [1, 2, 3][..]);
            assert_eq!(rest(whole).await.unwrap(), TWO);
        }
        assert!(messages(&[&[0, 0, 0, 0, 0]]).first().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_message_that_is_long_compressed_or_missing_is_refused() {
        for (header, reason) in [([0, 0, 0, 0, 9], Reason::TooLarge), ([1, 0, 0, 0, 1], Reason::BadField)] {
            // as a later message, in pieces that end before its header
            for size in [1, 3, 7] {
                let bytes = [TWO, &header].concat();
                let mut stream = messages(&bytes.chunks(size).collect::<Vec<_>>());
                stream.first().await.unwrap();
                assert_eq!(rest(stream).await, Err(Some(reason)));
            }
            // as the first, and with the first in one piece
            assert_eq!(messages(&[&header]).first().await.unwrap_err().reason, reason);
            let bytes = [TWO, &header].concat();
            assert_eq!(messages(&[&bytes]).first().await.unwrap_err().reason, reason);
        }
        assert!(messages(&[&TWO[..7]]).first().await.is_err());
        assert!(messages(&[]).first().await.is_err());
    }
}
