//! A way to the database that can go silent: what goes over a connection is then neither passed on nor refused.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

pub struct Proxy {
    pub address: SocketAddr,
    silenced: Arc<AtomicUsize>,
}

impl Proxy {
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let silenced = Arc::new(AtomicUsize::new(0));
        let epoch = Arc::clone(&silenced);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(target) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (epoch, born) = (Arc::clone(&epoch), epoch.load(Ordering::SeqCst));
                    std::thread::spawn(move || pump(from, to, || epoch.load(Ordering::SeqCst) != born));
                }
            }
        });
        Self { address, silenced }
    }

    /// From now on nothing comes over a connection that is open; new ones are as good as ever.
    pub fn silence(&self) {
        self.silenced.fetch_add(1, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, silenced: impl Fn() -> bool) {
    let mut buffer = [0; 16_384];
    while let Ok(count) = from.read(&mut buffer) {
        if silenced() {
            // Swallowed, until the process ends: the connection must stay open.
            loop {
                std::thread::park();
            }
        }
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
