//! A setup code as a picture.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qrcode::{Color, EcLevel, QrCode};

/// Pixels a module, and modules of white around the code, without which cameras do not find it.
const SCALE: usize = 4;
const QUIET: usize = 4;
/// What clients take.
const MOST_CHARACTERS: usize = 16_384;

/// `data:image/png;base64,…`; `None` for a text that is too long for a code.
#[must_use]
pub fn qr_data_url(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let modules = code.to_colors();
    let side = (width + 2 * QUIET) * SCALE;
    let is_dark = |x: usize, y: usize| {
        let (column, row) = ((x / SCALE).checked_sub(QUIET), (y / SCALE).checked_sub(QUIET));
        column
            .zip(row)
            .filter(|(column, _)| *column < width)
            .and_then(|(column, row)| modules.get(row * width + column))
            .is_some_and(|color| *color == Color::Dark)
    };
    // One bit a pixel, 1 is white, each row from a new byte.
    let mut pixels = Vec::with_capacity(side * side.div_ceil(8));
    for y in 0..side {
        for byte in 0..side.div_ceil(8) {
            let bits = (0..8).fold(0_u8, |bits, bit| (bits << 1) | u8::from(!is_dark(byte * 8 + bit, y)));
            pixels.push(bits);
        }
    }
    let picture = encode(u32::try_from(side).ok()?, &pixels)?;
    let url = format!("data:image/png;base64,{}", STANDARD.encode(picture));
    (url.len() <= MOST_CHARACTERS).then_some(url)
}

fn encode(side: u32, pixels: &[u8]) -> Option<Vec<u8>> {
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(pixels).ok()?;
    writer.finish().ok()?;
    Some(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_becomes_a_square_picture() {
        let url = qr_data_url(&"x".repeat(200)).unwrap();
        let bytes = STANDARD.decode(url.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let (width, height) = (reader.info().width, reader.info().height);
        assert!(width == height && width > 100, "{width} x {height}");
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        // White at the rim, and the corner's finder pattern begins dark.
        assert_eq!(pixels[0], 0xff);
        let row = (width as usize).div_ceil(8);
        assert_eq!(pixels[16 * row + 2], 0x00);
    }

    #[test]
    fn what_no_code_can_hold_is_no_picture() {
        assert_eq!(qr_data_url(&"x".repeat(4_000)), None);
    }
}
