//! gzip as senders write it: several members, and zeros behind the last.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The content of all members of a gzip stream, one after the other. Zeros behind the last one are what tapes and blocks of disks
/// are filled up with: no content, as gzip(1) has it. Whatever else follows is damage.
pub(super) struct Gzip<R> {
    /// The member that is read, until the last is at its end.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gzip<R> {
    /// Content of what begins as gzip does.
    pub(super) fn new(bytes: R) -> Self {
        let member = Some(GzDecoder::new(bytes));
        Self { member }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(out)?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            self.member = match self.member.take() {
                Some(member) => following(member.into_inner())?.map(GzDecoder::new),
                None => None,
            };
        }
        Ok(0)
    }
}

/// What comes behind a member: another, or nothing but zeros up to the end.
fn following<R: BufRead>(mut rest: R) -> io::Result<Option<R>> {
    let mut is_padded = false;
    loop {
        let buffer = rest.fill_buf()?;
        let len = buffer.len();
        let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
        rest.consume(zeros);
        is_padded |= zeros > 0;
        if len == 0 {
            return Ok(None);
        }
        if zeros < len {
            break;
        }
    }
    match is_padded {
        true => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "something follows the zeros behind its last member",
        )),
        false => Ok(Some(rest)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut member = GzEncoder::new(Vec::new(), Compression::fast());
        member.write_all(text).unwrap();
        member.finish().unwrap()
    }

    #[test]
    fn zeros_behind_the_last_member_are_no_content_and_anything_else_is_damage() {
        let read = |bytes: &[u8]| {
            let mut text = String::new();
            let end = Gzip::new(BufReader::with_capacity(100, bytes)).read_to_string(&mut text);
            (text, end.map_err(|error| error.to_string()))
        };
        let members = [gzip(b"id\n"), gzip(b""), gzip(b"1\n")].concat();
        for zeros in [0, 1, 99, 512] {
            let padded = [&members[..], &vec![0; zeros]].concat();
            assert_eq!(read(&padded), ("id\n1\n".to_owned(), Ok(5)), "{zeros}");
        }
        let behind_zeros = [&[0; 512], &members[..]].concat();
        for (rest, said) in [
            (&b"\0\0x"[..], "something follows the zeros"),
            (b"neither member nor zeros", "invalid gzip header"),
            (&behind_zeros, "something follows the zeros"),
        ] {
            let (text, end) = read(&[&members[..], rest].concat());
            assert_eq!(text, "id\n1\n");
            assert!(
                end.clone().is_err_and(|error| error.contains(said)),
                "{end:?}"
            );
        }
    }
}
