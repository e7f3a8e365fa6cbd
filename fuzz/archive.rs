//! A packer of ZIP archives, for the fuzzer and for tests.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// A ZIP archive of these parts, packed.
pub(crate) fn zip(parts: &[(&str, impl AsRef<[u8]>)]) -> Vec<u8> {
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for (name, text) in parts {
        let text = text.as_ref();
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflate.write_all(text).expect("memory");
        let packed = deflate.finish().expect("memory");
        let mut crc = flate2::Crc::new();
        crc.update(text);
        let mut head = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
        for number in [crc.sum(), packed.len() as u32, text.len() as u32] {
            head.extend(number.to_le_bytes());
        }
        head.extend((name.len() as u32).to_le_bytes());
        let offset = (out.len() as u32).to_le_bytes();
        out.extend([b"PK\x03\x04", &head[..], name.as_bytes(), &packed].concat());
        list.extend(
            [
                b"PK\x01\x02\x14\0",
                &head[..],
                &[0; 10],
                &offset,
                name.as_bytes(),
            ]
            .concat(),
        );
    }
    let start = (out.len() as u32).to_le_bytes();
    let count = (parts.len() as u16).to_le_bytes();
    let size = (list.len() as u32).to_le_bytes();
    out.extend(
        [
            &list[..],
            b"PK\x05\x06\0\0\0\0",
            &count,
            &count,
            &size,
            &start,
            &[0, 0],
        ]
        .concat(),
    );
    out
}
