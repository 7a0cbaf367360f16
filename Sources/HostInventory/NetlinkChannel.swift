import CNet

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The socket itself and a buffer for one datagram.
///
/// The one reason for `unsafe` here: the C function writes to an address. Nothing is kept. The oracle is
/// NetlinkSocketTests, which compares what is read with what `ip` did.
@safe
final class NetlinkChannel {
  /// What a read gave.
  enum Reading {
    case nothing
    case datagram([UInt8])
    /// The kernel had more to tell than it could keep.
    case lost
  }

  /// What a dump's datagram has at most; the kernel cuts dumps at 32 KiB.
  private static let bufferSize = 1 << 16
  let number: Int32
  private let buffer: UnsafeMutableRawBufferPointer

  init() throws(NetlinkSocketError) {
    number = dpu_netlink_open()
    unsafe buffer = .allocate(byteCount: Self.bufferSize, alignment: 8)
    guard number >= 0 else { throw NetlinkSocketError(place: "a route netlink socket", errno: -number) }
  }

  deinit {
    if number >= 0 { dpu_close(number) }
    unsafe buffer.deallocate()
  }

  func dump(_ type: UInt16, _ sequence: UInt32) throws(NetlinkSocketError) {
    let answer = dpu_netlink_dump(number, type, sequence)
    guard answer >= 0 else { throw NetlinkSocketError(place: "a netlink dump", errno: -answer) }
  }

  func receive() throws(NetlinkSocketError) -> Reading {
    let got = unsafe dpu_netlink_receive(number, buffer.baseAddress, UInt32(Self.bufferSize))
    if got == 0 { return .nothing }
    if got == -ENOBUFS || got == -EMSGSIZE { return .lost }
    guard got > 0 else { throw NetlinkSocketError(place: "reading netlink", errno: -got) }
    return .datagram(unsafe [UInt8](buffer.prefix(Int(got))))
  }
}
