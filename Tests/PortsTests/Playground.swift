import Device
import Foundation
import Ports

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Network namespaces of a test's own, gone with the value. Only root may make them.
final class Playground {
  /// Whether this process may make namespaces and devices.
  static let isThere: Bool =
    geteuid() == 0 && FileManager.default.fileExists(atPath: "/dev/net/tun") && (try? Playground()) != nil

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private static let counter = Mutex()
  let names: [String]

  init(_ count: Int = 1) throws {
    let number = Self.counter.next()
    names = (0..<count).map { "dpu-test-\(getpid())-\(number)-\($0)" }
    for name in names { try Self.run(["ip", "netns", "add", name]) }
  }

  deinit { for name in names { _ = try? Self.run(["ip", "netns", "del", name]) } }

  /// Runs `body` in a namespace, on this thread.
  func inside<Result: ~Copyable>(
    _ index: Int = 0, _ body: () throws(PortError) -> Result
  ) throws(PortError) -> Result {
    try NetworkNamespace(name: names[index]).run(body)
  }

  /// Runs `ip` in a namespace.
  @discardableResult
  func ip(_ arguments: String, in index: Int = 0) throws -> String {
    try Self.run(["ip", "-n", names[index]] + arguments.split(separator: " ").map(String.init))
  }

  /// Waits until an interface has a carrier that the kernel knows of.
  func awaitLink(_ name: String, in index: Int = 0) throws {
    let end = MonotonicClock.now + 5_000_000_000
    while MonotonicClock.now < end {
      let link = try inside(index) { () throws(PortError) in try KernelInterface(name).state().link }
      if link == .up { return }
      usleep(1000)
    }
    throw Failure(description: "the link of \(name) stays down")
  }

  /// Runs a program in a namespace.
  @discardableResult
  func run(_ command: [String], in index: Int = 0) throws -> String {
    try Self.run(["ip", "netns", "exec", names[index]] + command)
  }

  /// Runs lines of Python in a namespace.
  func python(_ script: String, in index: Int = 0) throws {
    try run(["/usr/bin/python3", "-c", script], in: index)
  }

  @discardableResult
  private static func run(_ command: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(description: command.joined(separator: " ") + ": " + text)
    }
    return text
  }
}

/// Numbers that no two ask for at once.
private final class Mutex: @unchecked Sendable {
  private let lock = NSLock()
  private var number = 0
  func next() -> Int {
    lock.withLock {
      number += 1
      return number
    }
  }
}
