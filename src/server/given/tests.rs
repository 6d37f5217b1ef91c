//! Sockets that are handed over, good ones and others.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use super::{Given, GivenError};
use crate::server::{Bound, ListenAddr, ListenerSettings, Sockets};

fn tcp() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = socket.local_addr().expect("an address");
    (socket, addr)
}

fn given(file: impl Into<OwnedFd>, listeners: &[ListenAddr]) -> Result<Given, GivenError> {
    let listeners: Vec<_> = listeners.iter().cloned().map(ListenerSettings::from).collect();
    Given::for_listeners([("gate.socket".to_owned(), file.into())], &listeners)
}

fn refused(file: impl Into<OwnedFd>, listeners: &[ListenAddr]) -> String {
    given(file, listeners).expect_err("of no use").to_string()
}

#[test]
fn a_socket_is_taken_for_the_listener_of_its_address() {
    let (socket, addr) = tcp();
    let here = ListenAddr::Tcp(addr);
    let elsewhere = ListenAddr::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
    let mut given = given(socket, &[elsewhere.clone(), here.clone()]).expect("it is wanted");
    let other = Bound::bind(&elsewhere.into(), 1, &mut given).expect("a port of its own");
    assert_ne!(other.settings.addr, here);
    let bound = Bound::bind(&here.clone().into(), 3, &mut given).expect("it is there");
    assert_eq!(bound.settings.addr, here);
    let Sockets::Tcp(sockets) = bound.sockets else { panic!("not TCP") };
    assert_eq!(sockets.len(), 3);
    let _client = TcpStream::connect(addr).expect("a connection");
    // All are the same one.
    for (number, socket) in sockets.iter().enumerate() {
        assert_eq!(socket.local_addr().expect("an address"), addr);
        assert_eq!(socket.accept().is_ok(), number == 0);
    }
}

#[test]
fn a_path_may_be_written_in_another_way_and_its_file_is_not_ours() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    let socket = UnixListener::bind(&path).expect("a socket");
    let here = ListenAddr::Unix(folder.path().join(".").join("http.sock"));
    let mut given = given(socket, std::slice::from_ref(&here)).expect("it is wanted");
    let bound = Bound::bind(&here.into(), 2, &mut given).expect("it is there");
    assert!(bound.file().is_none());
    let Sockets::Unix(socket) = bound.sockets else { panic!("not unix") };
    let _client = UnixStream::connect(&path).expect("a connection");
    assert!(socket.accept().is_ok());
}

#[test]
fn one_that_nobody_wants_is_an_error_that_names_it() {
    let (socket, addr) = tcp();
    let said = refused(socket, &[ListenAddr::default()]);
    assert!(said.contains(&format!("a socket for {addr} ")), "{said}");
    assert!(said.contains("\"gate.socket\"") && said.contains("no such address;"), "{said}");
}

#[test]
fn two_of_one_address_are_an_error() {
    let (socket, addr) = tcp();
    let twin = socket.try_clone().expect("a twin");
    let files = [("one".to_owned(), socket.into()), ("two".to_owned(), twin.into())];
    let listeners = [ListenAddr::Tcp(addr).into()];
    let refused = Given::for_listeners(files, &listeners).expect_err("one too many");
    assert!(matches!(&refused, GivenError::Unwanted { name, again: true, .. } if name == "two"));
    assert!(refused.to_string().contains("a second time"), "{refused}");
}

#[test]
fn what_no_connection_comes_from_is_an_error() {
    let here = [ListenAddr::default()];
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (socket, addr) = tcp();
    let connected = TcpStream::connect(addr).expect("a connection");
    drop(socket);
    let file = File::open("/dev/null").expect("a file");
    for file in [OwnedFd::from(datagrams), connected.into(), file.into()] {
        let said = refused(file, &here);
        assert!(said.contains("no listening stream socket"), "{said}");
    }
}

#[test]
fn sockets_of_an_earlier_gateway_are_all_taken_and_none_is_left_to_wait_in() {
    let bound = |workers| {
        let here = ListenAddr::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        Bound::bind(&here.into(), workers, &mut Given::default()).expect("a port")
    };
    // More workers than sockets, fewer, and as many.
    for (before, after, sockets) in [(2, 3, 3), (3, 2, 3), (2, 2, 2)] {
        let earlier = bound(before);
        let addr = earlier.settings.addr.clone();
        let Sockets::Tcp(files) = earlier.sockets else { panic!("not TCP") };
        let listeners = [addr.clone().into()];
        let files = files.into_iter().map(OwnedFd::from);
        let mut given = Given::taken_over(files, &listeners).expect("sockets");
        let taken = Bound::bind(&addr.into(), after, &mut given).expect("they are there");
        let Sockets::Tcp(taken) = taken.sockets else { panic!("not TCP") };
        assert_eq!(taken.len(), sockets, "{before} {after}");
    }
}

#[test]
fn what_no_listener_wants_any_more_is_closed() {
    let (socket, addr) = tcp();
    let listeners = [ListenAddr::default().into()];
    let given = Given::taken_over([socket.into()], &listeners).expect("sockets");
    drop(given);
    assert!(TcpStream::connect(addr).is_err(), "somebody waits there in vain");
}

#[test]
fn the_file_of_a_unix_socket_goes_to_the_next_gateway() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    let socket = UnixListener::bind(&path).expect("a socket");
    let here = ListenAddr::Unix(path.clone());
    let listeners = [here.clone().into()];
    let mut given = Given::taken_over([socket.into()], &listeners).expect("a socket");
    let bound = Bound::bind(&here.into(), 2, &mut given).expect("it is there");
    bound.file().expect("it is ours now").remove();
    assert!(!path.exists());
}
