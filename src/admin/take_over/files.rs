//! Open files on their way from one process to another: `SCM_RIGHTS` of unix(7).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Files that come with one byte; the kernel takes 253.
const AT_ONCE: usize = 64;

/// More than any gateway listens at.
const MOST: usize = 65_536;

/// Sends them, in their order.
pub(super) async fn send(stream: &UnixStream, files: &[OwnedFd]) -> io::Result<()> {
    let files: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
    for some in files.chunks(AT_ONCE) {
        stream.async_io(Interest::WRITABLE, || send_some(stream, some)).await?;
    }
    Ok(())
}

fn send_some(stream: &UnixStream, files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::Error::other("too many files for one message"));
    }
    sendmsg(stream, &[IoSlice::new(b"\n")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives that many. They are not for programs that we start.
pub(super) async fn receive(stream: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    if count > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "more sockets than there can be"));
    }
    let mut files = Vec::new();
    while files.len() < count {
        let some = stream.async_io(Interest::READABLE, || receive_some(stream)).await?;
        if some.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "sockets are missing"));
        }
        files.extend(some);
    }
    Ok(files)
}

fn receive_some(stream: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut into = [IoSliceMut::new(&mut byte)];
    let received = recvmsg(stream, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut files = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            files.extend(some);
        }
    }
    Ok(files)
}
