import Foundation
import Ports

/// DPDK's telemetry socket, version 2: packets of text over a unix socket, `/command[,parameter]`, answered by JSON. What
/// `dpdk-telemetry.py` talks to.
final class Telemetry {
  /// Bytes of an answer at most, as the greeting says.
  static let longestAnswer = 16_384
  /// Clients at most, as in DPDK.
  private static let mostClients = 10

  /// Where it listens.
  let path: String
  private let listener: FileDescriptor
  private var clients: [FileDescriptor] = []
  private var buffer = [UInt8](repeating: 0, count: 1024)

  /// Listens in `folder`, which is made; behind other processes' sockets with a number at the name's end, as DPDK does.
  ///
  /// - Throws: ``SystemError``.
  init(folder: String) throws(SystemError) {
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var failure: SystemError?
    for instance in 0..<10 {
      let name = folder + "/dpdk_telemetry.v2" + (instance == 0 ? "" : ":\(instance)")
      do throws(SystemError) {
        listener = try SystemCalls.listenPackets(path: name)
        path = name
        return
      } catch {
        failure = error
        guard error.isTaken else { break }
      }
    }
    throw failure ?? SystemError(folder)
  }

  deinit { SystemCalls.unlink(path) }

  /// Greets who came, and answers what was asked. `answer` gives the value of a command, null for one that it does not know.
  func serve(_ answer: (_ command: String, _ parameter: String?) -> JSON) {
    while clients.count < Self.mostClients, let client = (try? SystemCalls.accept(listener.number)) ?? nil {
      let greeting: JSON = [
        "version": .string("dpud " + Daemon.version),
        "pid": .integer(Int(ProcessInfo.processInfo.processIdentifier)),
        "max_output_len": .integer(Self.longestAnswer),
      ]
      if Self.send(greeting.bytes(), to: client) { clients.append(client) }
    }
    clients = clients.filter { serve($0, answer) }
  }

  /// Answers one client; false when it is gone.
  private func serve(_ client: FileDescriptor, _ answer: (String, String?) -> JSON) -> Bool {
    for _ in 0..<16 {
      let count: Int?
      do throws(SystemError) { count = try SystemCalls.read(client.number, into: &buffer) } catch { return false }
      guard let count else { return false }
      if count == 0 { return true }
      let request = String(decoding: buffer[..<count].prefix { $0 != 0 && $0 != 10 }, as: UTF8.self)
      let parts = request.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let command = parts.first ?? ""
      let value = answer(command, parts.count > 1 ? parts[1] : nil)
      var bytes = JSON.object([.init(name: command, value: value)]).bytes()
      if bytes.count >= Self.longestAnswer { bytes = JSON.object([.init(name: command, value: .null)]).bytes() }
      guard Self.send(bytes, to: client) else { return false }
    }
    return true
  }

  private static func send(_ bytes: [UInt8], to client: FileDescriptor) -> Bool {
    // A packet goes whole or not at all; a client that does not read loses its connection.
    (try? SystemCalls.send(client.number, bytes[...])) == bytes.count
  }
}
