//! From the bytes of one connection to events.

use super::close::CloseFrame;
use super::error::ProtocolError;
use super::frame::{ControlKind, FrameHeader, MessageKind, Opcode};
use super::inflater::Inflater;
use super::mask::apply_mask;
use super::pending::{OpenFrame, OpenMessage, Pending, Progress};

/// What a peer may make a [`Decoder`] hold or do.
#[derive(Clone, Copy, Debug)]
pub struct DecoderLimits {
    /// The largest message, all its fragments together, in bytes on the wire and, where it is
    /// compressed, inflated too. The first is checked as soon as a header claims more, before any
    /// payload; the second while it is inflated.
    pub message_bytes_max: usize,
    /// The most fragments without payload in one message. They cost the peer next to nothing and
    /// [`message_bytes_max`](Self::message_bytes_max) does not stop them.
    pub empty_fragments_max: u32,
}

impl DecoderLimits {
    /// [`empty_fragments_max`](Self::empty_fragments_max) where nothing else is wished: clients
    /// that stream send one, to end a message.
    pub const EMPTY_FRAGMENTS_MAX: u32 = 64;

    /// A limit on the message, in bytes, and [`EMPTY_FRAGMENTS_MAX`](Self::EMPTY_FRAGMENTS_MAX).
    #[must_use]
    pub const fn new(message_bytes_max: usize) -> Self {
        Self { message_bytes_max, empty_fragments_max: Self::EMPTY_FRAGMENTS_MAX }
    }
}

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole message.
    Message(Message<'a>),
    /// To be answered by a pong with the same payload, at most 125 bytes.
    Ping(&'a [u8]),
    /// A sign of life, at most 125 bytes.
    Pong(&'a [u8]),
    /// The client closes; `None` if it gave no code. Nothing is decoded after it.
    Close(Option<CloseFrame>),
}

/// A whole message, unmasked and inflated.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Text or binary.
    pub kind: MessageKind,
    /// Mutable, so that it can be parsed in place. Valid UTF-8 if `kind` is text.
    pub payload: &'a mut [u8],
}

/// The receiving state of one connection: strict, and small while nothing is unfinished.
///
/// ```
/// use jddb_core::websocket::{Decoder, DecoderLimits, Event, Inflater};
///
/// let mut decoder = Decoder::new(DecoderLimits::new(1 << 20), false);
/// let mut inflater = Inflater::default();
/// let mut read = [0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
/// let mut input = &mut read[..];
/// while let Some(event) = decoder.decode(&mut input, &mut inflater)? {
///     let Event::Message(message) = event else { continue };
///     assert_eq!(message.payload, b"hi");
/// }
/// # Ok::<(), jddb_core::websocket::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    limits: DecoderLimits,
    compression: bool,
    state: State,
    pending: Option<Box<Pending>>,
}

// There is one for each connection, and most connections are idle.
const _: () = assert!(size_of::<Decoder>() <= 64);

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    /// A close frame was received.
    Closed,
    Failed(ProtocolError),
}

impl Decoder {
    /// What [`pending_bytes`](Self::pending_bytes) may count beside the bytes of a message.
    pub const PENDING_OVERHEAD_BYTES: usize = size_of::<Pending>();

    /// `compression`: permessage-deflate was negotiated, so RSV1 is taken instead of refused.
    #[must_use]
    pub const fn new(limits: DecoderLimits, compression: bool) -> Self {
        Self { limits, compression, state: State::Open, pending: None }
    }

    /// Another limit on messages, in bytes, from the next frame on: a message of which more is there already ends with
    /// that frame, a frame that has begun is read to its end.
    pub const fn bound(&mut self, message_bytes_max: usize) {
        self.limits.message_bytes_max = message_bytes_max;
    }

    /// The next event in `input`, which is advanced behind it. Call it until it returns `None`:
    /// then all of `input` has been used, and what is unfinished of it was copied.
    ///
    /// A message that lies in `input` unfragmented is unmasked and handed out there. Any other is
    /// assembled in a buffer that lives until the call after the one that handed it out. A compressed
    /// one is handed out in `inflater`, which may serve other connections between two calls.
    ///
    /// After [`Event::Close`] the rest is dropped.
    ///
    /// # Errors
    /// The peer broke the protocol or a limit. Nothing more is decoded then: the same error is
    /// returned again.
    pub fn decode<'e, 'i: 'e>(
        &'e mut self,
        input: &mut &'i mut [u8],
        inflater: &'e mut Inflater,
    ) -> Result<Option<Event<'e>>, ProtocolError> {
        inflater.release();
        match self.state {
            State::Open => {}
            State::Closed => {
                *input = &mut [];
                return Ok(None);
            }
            State::Failed(error) => return Err(error),
        }
        if self.pending.as_mut().is_some_and(|pending| pending.release()) {
            self.pending = None;
        }
        match self.advance(input, inflater) {
            Ok(Found::Nothing) => Ok(None),
            Ok(Found::InInput(event)) => {
                if matches!(event, Event::Close(_)) {
                    self.stop(State::Closed);
                }
                Ok(Some(event))
            }
            Ok(Found::Inflated(kind)) => Ok(Some(Event::Message(Message { kind, payload: inflater.output() }))),
            Ok(Found::InPending) => Ok(self.pending.as_mut().and_then(|pending| pending.event())),
            Err(error) => {
                self.stop(State::Failed(error));
                Err(error)
            }
        }
    }

    /// Heap memory that unfinished input takes, in bytes: 0 when idle, at most
    /// [`message_bytes_max`](DecoderLimits::message_bytes_max), the largest there was since the message began, +
    /// [`PENDING_OVERHEAD_BYTES`](Self::PENDING_OVERHEAD_BYTES).
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.heap_bytes())
    }

    fn stop(&mut self, state: State) {
        self.state = state;
        self.pending = None;
    }

    fn advance<'i>(&mut self, input: &mut &'i mut [u8], inflater: &mut Inflater) -> Result<Found<'i>, ProtocolError> {
        let message_bytes_max = self.limits.message_bytes_max;
        loop {
            let frame = match self.open_frame() {
                Some(frame) => frame,
                None => {
                    let Some(header) = self.read_header(input)? else {
                        return Ok(Found::Nothing);
                    };
                    self.admit(&header)?;
                    let inflate = |kind, deflated: &[u8]| inflater.inflate(kind, deflated, message_bytes_max);
                    if let Some(found) = find_in_input(&header, input, inflate)? {
                        return Ok(found);
                    }
                    OpenFrame { header, received: 0 }
                }
            };
            let chunk = split_front(input, frame.missing().min(input.len()));
            let pending = self.pending.get_or_insert_default();
            match pending.take_in(frame, chunk, message_bytes_max)? {
                Progress::FrameOpen => return Ok(Found::Nothing),
                Progress::MessageOpen => {}
                Progress::Complete => return Ok(Found::InPending),
                Progress::CompleteDeflated(kind, deflated) => {
                    inflater.inflate(kind, deflated, message_bytes_max)?;
                    return Ok(Found::Inflated(kind));
                }
                Progress::Closed(close) => return Ok(Found::InInput(Event::Close(close))),
            }
        }
    }

    /// The frame that was begun in an earlier input.
    fn open_frame(&mut self) -> Option<OpenFrame> {
        self.pending.as_mut()?.frame.take()
    }

    fn open_message(&self) -> Option<&OpenMessage> {
        self.pending.as_ref()?.message.as_ref()
    }

    /// Takes a header from `input`, with the beginning of it that an earlier input ended in.
    fn read_header(&mut self, input: &mut &mut [u8]) -> Result<Option<FrameHeader>, ProtocolError> {
        if input.is_empty() {
            return Ok(None);
        }
        let mut bytes = self.pending.as_mut().map(|pending| std::mem::take(&mut pending.header)).unwrap_or_default();
        let held = bytes.as_slice().len();
        bytes.fill(input);
        let Some((header, header_len)) = FrameHeader::parse(bytes.as_slice(), self.compression)? else {
            // An incomplete header is shorter than the longest one, so `fill` has taken all there
            // was.
            *input = &mut [];
            self.pending.get_or_insert_default().header = bytes;
            return Ok(None);
        };
        split_front(input, header_len - held);
        Ok(Some(header))
    }

    /// Checks a frame against the message it would belong to, and against the limits.
    fn admit(&self, header: &FrameHeader) -> Result<(), ProtocolError> {
        let message = self.open_message();
        match (header.opcode, message) {
            (Opcode::Control(_), _) => return Ok(()),
            (Opcode::Continuation, None) => return Err(ProtocolError::ContinuationWithoutStart),
            (Opcode::Message(_), Some(_)) => return Err(ProtocolError::InterleavedMessage),
            (Opcode::Continuation, Some(_)) | (Opcode::Message(_), None) => {}
        }
        let DecoderLimits { message_bytes_max, empty_fragments_max } = self.limits;
        let (held, empty_fragments) = message.map_or((0, 0), |message| (message.len(), message.empty_fragments));
        // More may be held than is allowed by now.
        if held.saturating_add(header.payload_len) > message_bytes_max {
            return Err(ProtocolError::MessageTooBig { max: message_bytes_max });
        }
        let is_fragment = header.opcode == Opcode::Continuation || !header.fin;
        if is_fragment && header.payload_len == 0 && empty_fragments >= empty_fragments_max {
            return Err(ProtocolError::TooManyEmptyFragments { max: empty_fragments_max });
        }
        Ok(())
    }
}

enum Found<'i> {
    /// The input is used up.
    Nothing,
    /// An event that needs nothing of what is pending.
    InInput(Event<'i>),
    InPending,
    /// A message in the inflater.
    Inflated(MessageKind),
}

/// What a frame holds that lies in `input` in full and is no fragment.
fn find_in_input<'i>(
    header: &FrameHeader,
    input: &mut &'i mut [u8],
    inflate: impl FnOnce(MessageKind, &[u8]) -> Result<(), ProtocolError>,
) -> Result<Option<Found<'i>>, ProtocolError> {
    let is_whole = header.fin && header.opcode != Opcode::Continuation;
    if !is_whole || input.len() < header.payload_len {
        return Ok(None);
    }
    let payload = split_front(input, header.payload_len);
    apply_mask(payload, header.mask, 0);
    let event = match header.opcode {
        Opcode::Continuation => return Ok(None),
        Opcode::Control(ControlKind::Close) => Event::Close(CloseFrame::parse(payload)?),
        Opcode::Control(ControlKind::Ping) => Event::Ping(payload),
        Opcode::Control(ControlKind::Pong) => Event::Pong(payload),
        Opcode::Message(kind) if header.compressed => {
            return inflate(kind, payload).map(|()| Some(Found::Inflated(kind)));
        }
        Opcode::Message(kind) => {
            if kind == MessageKind::Text && simdutf8::basic::from_utf8(payload).is_err() {
                return Err(ProtocolError::InvalidUtf8);
            }
            Event::Message(Message { kind, payload })
        }
    };
    Ok(Some(Found::InInput(event)))
}

/// Takes the first `count` bytes off `input`, which has as many.
fn split_front<'i>(input: &mut &'i mut [u8], count: usize) -> &'i mut [u8] {
    let (front, rest) = std::mem::take(input).split_at_mut(count);
    *input = rest;
    front
}
