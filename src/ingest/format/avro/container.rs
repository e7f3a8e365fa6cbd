//! The header and the blocks of an Avro container, each block unpacked and checked.

use std::io::{self, Read};

use bzip2::read::BzDecoder;
use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::{Damage, Fault};

const MAGIC: [u8; 4] = *b"Obj\x01";
const MARK_BYTES: usize = 16;
/// The largest header: its schema, as text, is most of it.
const LARGEST_HEADER: u64 = 16 << 20;
/// The largest block, packed or unpacked; writers make blocks of some kilobytes.
const LARGEST_BLOCK: u64 = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Null,
    Deflate,
    Snappy,
    Zstandard,
    Bzip2,
}

/// A container under work.
pub(super) struct Container<'a> {
    bytes: Counted<'a>,
    schema: Vec<u8>,
    codec: Codec,
    mark: [u8; MARK_BYTES],
}

/// A block, unpacked.
pub(super) struct Block {
    /// Its first byte in the export's content.
    pub(super) byte: u64,
    pub(super) records: u64,
    pub(super) bytes: Vec<u8>,
}

impl<'a> Container<'a> {
    /// Reads the header; `None` where the export has no byte.
    ///
    /// # Errors
    /// What is no container, or packed in an unknown way; those of storage.
    pub(super) fn open(bytes: &'a mut dyn Read) -> Result<Option<Self>, Fault> {
        let mut bytes = Counted { bytes, count: 0 };
        let damage = |what: &str| {
            Fault::Damage(Damage {
                byte: 0,
                what: what.to_string(),
            })
        };
        let mut magic = Vec::new();
        let read = (&mut bytes).take(4).read_to_end(&mut magic);
        read.map_err(Fault::Storage)?;
        match &magic[..] {
            [] => return Ok(None),
            magic if magic == MAGIC => {}
            _ => return Err(damage("does not begin as one of Avro")),
        }
        let (mut schema, mut codec) = (None, Codec::Null);
        loop {
            let mut count = bytes.long().map_err(|e| e.fault(0))?;
            if count == 0 {
                break;
            }
            if count < 0 {
                // then its bytes come first
                bytes.long().map_err(|e| e.fault(0))?;
                count = count.saturating_neg();
            }
            for _ in 0..count {
                let key = bytes.sized(LARGEST_HEADER).map_err(|e| e.fault(0))?;
                let value = bytes.sized(LARGEST_HEADER).map_err(|e| e.fault(0))?;
                if bytes.count > LARGEST_HEADER {
                    return Err(damage("has more than 16 MB"));
                }
                match &key[..] {
                    b"avro.schema" => schema = Some(value),
                    b"avro.codec" => {
                        codec = match &value[..] {
                            b"null" | b"" => Codec::Null,
                            b"deflate" => Codec::Deflate,
                            b"snappy" => Codec::Snappy,
                            b"zstandard" => Codec::Zstandard,
                            b"bzip2" => Codec::Bzip2,
                            _ => return Err(damage("names a codec that kilde does not read")),
                        }
                    }
                    _ => {}
                }
            }
        }
        let mut mark = [0; MARK_BYTES];
        bytes.exactly(&mut mark).map_err(|e| e.fault(0))?;
        Ok(Some(Self {
            bytes,
            schema: schema.ok_or_else(|| damage("has no schema"))?,
            codec,
            mark,
        }))
    }

    pub(super) fn schema(&self) -> &[u8] {
        &self.schema
    }

    /// The next block; `None` at the end.
    ///
    /// # Errors
    /// A block that ends too early, is damaged or too large; those of storage.
    pub(super) fn next(&mut self) -> Result<Option<Block>, Fault> {
        let byte = self.bytes.count;
        let damage = |what: String| Fault::Damage(Damage { byte, what });
        let records = match self.bytes.long() {
            Ok(records) => records,
            Err(Short::End) if self.bytes.count == byte => return Ok(None),
            Err(short) => return Err(short.fault(byte)),
        };
        let records =
            u64::try_from(records).map_err(|_| damage("counts its records wrongly".into()))?;
        let packed = self.bytes.sized(LARGEST_BLOCK);
        let packed = packed.map_err(|short| short.fault(byte))?;
        let mut mark = [0; MARK_BYTES];
        let read = self.bytes.exactly(&mut mark);
        read.map_err(|short| short.fault(byte))?;
        if mark != self.mark {
            return Err(damage("does not end with the mark of its file".into()));
        }
        let bytes = unpacked(self.codec, packed).map_err(damage)?;
        Ok(Some(Block {
            byte,
            records,
            bytes,
        }))
    }
}

fn unpacked(codec: Codec, packed: Vec<u8>) -> Result<Vec<u8>, String> {
    let all = |mut unpacking: Box<dyn Read + '_>| {
        let mut bytes = Vec::new();
        let read = (&mut unpacking)
            .take(LARGEST_BLOCK + 1)
            .read_to_end(&mut bytes);
        read.map_err(|error| format!("cannot be unpacked: {error}"))?;
        match bytes.len() as u64 > LARGEST_BLOCK {
            true => Err(too_large()),
            false => Ok(bytes),
        }
    };
    match codec {
        Codec::Null => Ok(packed),
        Codec::Deflate => all(Box::new(DeflateDecoder::new(&packed[..]))),
        Codec::Bzip2 => all(Box::new(BzDecoder::new(&packed[..]))),
        Codec::Zstandard => {
            let decoder = zstd::Decoder::new(&packed[..]);
            let decoder = decoder.map_err(|error| format!("cannot be unpacked: {error}"))?;
            all(Box::new(decoder))
        }
        Codec::Snappy => snappy(&packed),
    }
}

/// Snappy, and a check sum of what comes out of it.
fn snappy(packed: &[u8]) -> Result<Vec<u8>, String> {
    let (packed, sum) = packed
        .split_last_chunk::<4>()
        .ok_or_else(|| "has no check sum".to_string())?;
    let broken = |error: snap::Error| format!("cannot be unpacked: {error}");
    if snap::raw::decompress_len(packed).map_err(broken)? as u64 > LARGEST_BLOCK {
        return Err(too_large());
    }
    let bytes = snap::raw::Decoder::new()
        .decompress_vec(packed)
        .map_err(broken)?;
    let mut crc = Crc::new();
    crc.update(&bytes);
    match crc.sum().to_be_bytes() == *sum {
        true => Ok(bytes),
        false => Err("has a wrong check sum".to_string()),
    }
}

fn too_large() -> String {
    format!("has more than {} MB", LARGEST_BLOCK >> 20)
}

/// Why so many bytes could not be read.
enum Short {
    /// The export ends.
    End,
    /// A number or a length that cannot be.
    Wrong,
    Storage(io::Error),
}

impl Short {
    fn fault(self, byte: u64) -> Fault {
        let what = match self {
            Self::Storage(error) => return Fault::Storage(error),
            Self::End => "is cut off: the export ends within it",
            Self::Wrong => "states a length that cannot be",
        };
        Fault::Damage(Damage {
            byte,
            what: what.to_string(),
        })
    }
}

struct Counted<'a> {
    bytes: &'a mut dyn Read,
    count: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.bytes.read(out)?;
        self.count += length as u64;
        Ok(length)
    }
}

impl Counted<'_> {
    fn exactly(&mut self, out: &mut [u8]) -> Result<(), Short> {
        self.read_exact(out).map_err(|error| match error.kind() {
            // of a packed export its damage is told, not that it ends
            io::ErrorKind::UnexpectedEof if error.get_ref().is_none() => Short::End,
            _ => Short::Storage(error),
        })
    }

    fn long(&mut self) -> Result<i64, Short> {
        let mut value: u64 = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.exactly(&mut byte)?;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(zigzag(value));
            }
        }
        Err(Short::Wrong)
    }

    /// Bytes behind their length. No memory is taken for what is not there.
    fn sized(&mut self, most: u64) -> Result<Vec<u8>, Short> {
        let length = u64::try_from(self.long()?).map_err(|_| Short::Wrong)?;
        if length > most {
            return Err(Short::Wrong);
        }
        let mut bytes = Vec::new();
        let read = self.take(length).read_to_end(&mut bytes);
        read.map_err(Short::Storage)?;
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(Short::End),
        }
    }
}

pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
