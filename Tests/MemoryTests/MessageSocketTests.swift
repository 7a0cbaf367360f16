import Foundation
import Memory
import Testing

struct MessageSocketTests {
  private func openDescriptors() -> Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
  }

  @Test("Bytes and descriptors arrive together; those over the limit are closed")
  func descriptors() throws {
    let (one, other) = try MessageSocket.pair()
    let regions = try (0..<5).map { _ in try SharedRegion(bytes: 4096) }
    regions[3].shared.store32(77, at: 0)
    #expect(one.send([1, 2, 3], descriptors: regions.map(\.descriptor)) == .bytes(3))
    var bytes: [UInt8] = []
    var came: [OwnedDescriptor] = []
    var cut = false
    #expect(other.receive(room: 2, into: &bytes, descriptors: &came, limit: 4, cut: &cut) == .bytes(2))
    #expect(bytes == [1, 2] && came.count == 4 && cut)
    let fourth = try SharedRegion(peer: came[3], offset: 0, bytes: 4096)
    withExtendedLifetime(fourth) { #expect(fourth.shared.load32(0) == 77) }
    #expect(other.receive(room: 9, into: &bytes, descriptors: &came, cut: &cut) == .bytes(1))
    #expect(other.receive(room: 9, into: &bytes, descriptors: &came, cut: &cut) == .wait)
    #expect(bytes == [1, 2, 3])
  }

  @Test("A peer that is gone is told apart from one that is silent, and writing to it is no signal")
  func gone() throws {
    var bytes: [UInt8] = []
    var came: [OwnedDescriptor] = []
    var cut = false
    let survivor: MessageSocket
    do {
      let (one, other) = try MessageSocket.pair()
      survivor = one
      #expect(survivor.receive(room: 9, into: &bytes, descriptors: &came, cut: &cut) == .wait)
      _ = other
    }
    #expect(survivor.receive(room: 9, into: &bytes, descriptors: &came, cut: &cut) == .gone(errno: 0))
    #expect(survivor.send([1]) == .gone(errno: EPIPE))
  }

  @Test("A server listens where an ended one left its socket, and not where another file is")
  func listening() throws {
    let folder = FileManager.default.temporaryDirectory
    let path = folder.appendingPathComponent("dpu-\(UUID().uuidString)").path
    defer { _ = unsafe unlink(path) }
    _ = try ListeningSocket(path: path)
    let server = try ListeningSocket(path: path)
    #expect(server.accept() == nil)
    let client = try MessageSocket(connectingTo: path)
    let served = try #require(server.accept())
    #expect(client.send([5]) == .bytes(1))
    #expect(OwnedDescriptor.wait(for: [server.descriptor, served.descriptor], milliseconds: 1000) == 2)
    _ = unsafe unlink(path)
    try Data([1]).write(to: URL(fileURLWithPath: path))
    #expect(throws: SharedMemoryError.self) { try ListeningSocket(path: path) }
    #expect(throws: SharedMemoryError.self) { try MessageSocket(connectingTo: String(repeating: "a", count: 200)) }
  }

  @Test("An event wakes who waits for it, once for any number of signals")
  func events() throws {
    let event = try EventDescriptor()
    #expect(!event.clear())
    event.signal()
    event.signal()
    #expect(OwnedDescriptor.wait(for: [event.descriptor], milliseconds: 1000) == 1)
    #expect(event.clear())
    #expect(!event.clear())
    #expect(OwnedDescriptor.wait(for: [event.descriptor], milliseconds: 0) == 0)
  }
}
