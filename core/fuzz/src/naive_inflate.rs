//! A compressed message inflated as RFC 7692 has it, by another library than the server's, all at once.

use jddb_core::websocket::ProtocolError;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// What the sender left off, and an empty final block, to see that the message ends between two blocks.
const TAIL: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];
const FINAL_BLOCKS_MAX: usize = 8;

/// The message, or what is wrong with it.
pub(crate) fn inflated(deflated: &[u8], bytes_max: usize) -> Result<Vec<u8>, ProtocolError> {
    let input = [deflated, &TAIL].concat();
    let mut output = vec![0; bytes_max + 1];
    let (mut used, mut length) = (0, 0);
    let mut ends = 0;
    while used != deflated.len() && used != input.len() {
        if ends > FINAL_BLOCKS_MAX {
            return Err(ProtocolError::InvalidDeflate);
        }
        // Back references reach into what was there before, over final blocks too.
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, written) =
            decompress(&mut DecompressorOxide::new(), &input[used..], &mut output, length, flags);
        used += read;
        length += written;
        if length > bytes_max {
            return Err(ProtocolError::MessageTooBig { max: bytes_max });
        }
        if status != TINFLStatus::Done {
            return Err(ProtocolError::InvalidDeflate);
        }
        ends += 1;
    }
    output.truncate(length);
    Ok(output)
}
