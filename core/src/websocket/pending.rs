//! What a connection keeps of a frame or message that has not arrived in full.
//!
//! It lives on the heap and only while something is unfinished, so an idle connection does not pay
//! for it.

use super::close::CloseFrame;
use super::decoder::{Event, Message};
use super::error::ProtocolError;
use super::frame::{CLIENT_HEADER_BYTES_MAX, CONTROL_PAYLOAD_BYTES_MAX, ControlKind, FrameHeader, MessageKind, Opcode};
use super::mask::apply_mask;

/// The first allocation for a message, in bytes, unless the whole is smaller. Smaller ones would
/// only be outgrown at once.
const BUFFER_BYTES_MIN: usize = 256;
/// A buffer that holds so much of a message is put aside, and the next bytes go to another one. A
/// larger one would be outgrown by doubling, and what it leaves behind fits nobody: many large
/// messages at once would take twice the memory that is counted for them.
const PART_BYTES: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Pending {
    /// A header that is not there in full.
    pub(super) header: HeaderBytes,
    /// A frame whose header is known and whose payload is not there in full.
    pub(super) frame: Option<OpenFrame>,
    /// The payload of the control frame in `frame` or `complete`. A control frame may come between
    /// the fragments of `message`, so it has a place of its own.
    control: ControlPayload,
    /// The message that `frame` belongs to, or whose next fragment is awaited.
    pub(super) message: Option<OpenMessage>,
    /// What is handed out from here, and no longer needed when the next event is asked for.
    complete: Option<Complete>,
}

#[derive(Clone, Copy, Debug)]
enum Complete {
    Message,
    Ping,
    Pong,
}

/// What taking in the bytes of a frame led to.
#[derive(Debug)]
pub(super) enum Progress<'a> {
    /// The frame's payload is not there in full; the input is used up.
    FrameOpen,
    /// The frame is complete, its message is not.
    MessageOpen,
    /// An event is ready in [`Pending::event`].
    Complete,
    /// A whole message is there, to be inflated.
    CompleteDeflated(MessageKind, &'a [u8]),
    /// The peer closes.
    Closed(Option<CloseFrame>),
}

impl Pending {
    /// Takes over what there is of `frame`'s payload in `chunk`, at most the rest of it.
    pub(super) fn take_in(
        &mut self,
        mut frame: OpenFrame,
        chunk: &mut [u8],
        message_bytes_max: usize,
    ) -> Result<Progress<'_>, ProtocolError> {
        apply_mask(chunk, frame.header.mask, frame.received);
        frame.received += chunk.len();
        if frame.header.opcode.is_control() {
            self.control.extend(chunk);
        } else {
            let message = self.message_of(&frame.header)?;
            message.extend(chunk, &frame, message_bytes_max)?;
        }
        if frame.missing() > 0 {
            self.frame = Some(frame);
            return Ok(Progress::FrameOpen);
        }
        self.end_frame(&frame.header)
    }

    /// The message that a frame belongs to: the one that is open, or a new one.
    fn message_of(&mut self, header: &FrameHeader) -> Result<&mut OpenMessage, ProtocolError> {
        let Opcode::Message(kind) = header.opcode else {
            return self.message.as_mut().ok_or(ProtocolError::ContinuationWithoutStart);
        };
        let new = || OpenMessage::new(kind, header.compressed);
        Ok(self.message.get_or_insert_with(new))
    }

    fn end_frame(&mut self, header: &FrameHeader) -> Result<Progress<'_>, ProtocolError> {
        self.complete = Some(match header.opcode {
            Opcode::Control(ControlKind::Close) => {
                return CloseFrame::parse(self.control.as_slice()).map(Progress::Closed);
            }
            Opcode::Control(ControlKind::Ping) => Complete::Ping,
            Opcode::Control(ControlKind::Pong) => Complete::Pong,
            Opcode::Message(_) | Opcode::Continuation => {
                if let Some(message) = &mut self.message {
                    message.end_fragment(header)?;
                }
                if !header.fin {
                    return Ok(Progress::MessageOpen);
                }
                self.message.iter_mut().for_each(OpenMessage::join);
                Complete::Message
            }
        });
        Ok(match &self.message {
            Some(message) if message.compressed && !header.opcode.is_control() => {
                Progress::CompleteDeflated(message.kind, &message.bytes)
            }
            _ => Progress::Complete,
        })
    }

    /// The event that has become complete.
    pub(super) fn event(&mut self) -> Option<Event<'_>> {
        match self.complete? {
            Complete::Ping => Some(Event::Ping(self.control.as_slice())),
            Complete::Pong => Some(Event::Pong(self.control.as_slice())),
            Complete::Message => self.message.as_mut().map(|message| Event::Message(message.borrow())),
        }
    }

    /// Lets go of what was handed out; true if nothing is left.
    pub(super) fn release(&mut self) -> bool {
        match self.complete.take() {
            Some(Complete::Message) => self.message = None,
            Some(Complete::Ping | Complete::Pong) => self.control.len = 0,
            None => {}
        }
        self.header.len == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// Heap memory in use, in bytes, this value included.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.message.as_ref().map_or(0, OpenMessage::buffer_bytes)
    }
}

/// The bytes of a header as far as they are there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeaderBytes {
    bytes: [u8; CLIENT_HEADER_BYTES_MAX],
    len: usize,
}

impl HeaderBytes {
    /// Appends from `input` as much as any header could need.
    pub(super) fn fill(&mut self, input: &[u8]) {
        let count = input.len().min(CLIENT_HEADER_BYTES_MAX - self.len);
        self.bytes[self.len..self.len + count].copy_from_slice(&input[..count]);
        self.len += count;
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A frame of whose payload `received` bytes have been taken in.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenFrame {
    pub(super) header: FrameHeader,
    pub(super) received: usize,
}

impl OpenFrame {
    pub(super) const fn missing(&self) -> usize {
        self.header.payload_len - self.received
    }
}

#[derive(Debug)]
struct ControlPayload {
    bytes: [u8; CONTROL_PAYLOAD_BYTES_MAX],
    len: usize,
}

impl Default for ControlPayload {
    fn default() -> Self {
        Self { bytes: [0; CONTROL_PAYLOAD_BYTES_MAX], len: 0 }
    }
}

impl ControlPayload {
    /// The header's check keeps the sum of all chunks within the array.
    fn extend(&mut self, chunk: &[u8]) {
        self.bytes[self.len..self.len + chunk.len()].copy_from_slice(chunk);
        self.len += chunk.len();
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A message of which only a part is there.
#[derive(Debug)]
pub(super) struct OpenMessage {
    kind: MessageKind,
    compressed: bool,
    /// What came before `bytes` and was put aside; of text, whole characters.
    parts: Vec<Vec<u8>>,
    /// Unmasked.
    bytes: Vec<u8>,
    /// How much of `bytes` is known to be whole UTF-8 characters; at most 3 bytes less than all, if
    /// it is text.
    utf8_len: usize,
    pub(super) empty_fragments: u32,
}

impl OpenMessage {
    const fn new(kind: MessageKind, compressed: bool) -> Self {
        Self { kind, compressed, parts: Vec::new(), bytes: Vec::new(), utf8_len: 0, empty_fragments: 0 }
    }

    /// How much has arrived.
    pub(super) fn len(&self) -> usize {
        self.aside() + self.bytes.len()
    }

    fn aside(&self) -> usize {
        self.parts.iter().map(Vec::len).sum()
    }

    /// What its buffers take. Parts are full, but for up to three bytes; that and their list are
    /// little beside them.
    fn buffer_bytes(&self) -> usize {
        self.aside() + self.bytes.capacity()
    }

    /// Appends a piece of `frame`, which already counts it as received.
    fn extend(&mut self, chunk: &[u8], frame: &OpenFrame, message_bytes_max: usize) -> Result<(), ProtocolError> {
        if self.bytes.len() >= PART_BYTES {
            self.put_aside();
        }
        let of_frame = chunk.len() + frame.missing();
        // A frame that began under a larger limit is read to its end.
        let more = if frame.header.fin { 0 } else { message_bytes_max.saturating_sub(self.len()) };
        self.reserve(chunk.len(), of_frame.max(more));
        self.bytes.extend_from_slice(chunk);
        self.check_utf8()
    }

    /// Doubles the buffer when it is full: memory stays within twice what has arrived, whatever is
    /// claimed, and within what the message can come to, which is `left` more.
    fn reserve(&mut self, additional: usize, left: usize) {
        let needed = self.bytes.len() + additional;
        if needed > self.bytes.capacity() {
            let doubled = (self.bytes.capacity() * 2).clamp(BUFFER_BYTES_MIN, PART_BYTES);
            let capacity = needed.max(doubled).min(self.bytes.len() + left);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
    }

    fn put_aside(&mut self) {
        let whole = if self.is_plain_text() { self.utf8_len } else { self.bytes.len() };
        let rest = self.bytes.split_off(whole);
        self.parts.push(std::mem::replace(&mut self.bytes, rest));
        self.utf8_len = 0;
    }

    /// Puts a message that is complete into one buffer.
    fn join(&mut self) {
        if self.parts.is_empty() {
            return;
        }
        let mut whole = Vec::with_capacity(self.len());
        // Each part goes as soon as it is copied.
        self.parts.drain(..).for_each(|part| whole.extend_from_slice(&part));
        whole.append(&mut self.bytes);
        self.bytes = whole;
    }

    /// Fails as soon as what is there cannot become UTF-8 by anything that follows.
    fn check_utf8(&mut self) -> Result<(), ProtocolError> {
        if !self.is_plain_text() {
            return Ok(());
        }
        self.utf8_len += match simdutf8::compat::from_utf8(&self.bytes[self.utf8_len..]) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Err(ProtocolError::InvalidUtf8),
        };
        Ok(())
    }

    fn end_fragment(&mut self, header: &FrameHeader) -> Result<(), ProtocolError> {
        if header.payload_len == 0 {
            self.empty_fragments += 1;
        }
        if header.fin && self.is_plain_text() && self.utf8_len < self.bytes.len() {
            return Err(ProtocolError::InvalidUtf8);
        }
        Ok(())
    }

    /// Compressed text is UTF-8 only once it is inflated.
    fn is_plain_text(&self) -> bool {
        self.kind == MessageKind::Text && !self.compressed
    }

    fn borrow(&mut self) -> Message<'_> {
        Message { kind: self.kind, payload: &mut self.bytes }
    }
}
