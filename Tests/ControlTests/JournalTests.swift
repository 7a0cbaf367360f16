import Control
import Foundation
import Testing

/// A folder that is gone with the value.
final class TestFolder: Sendable {
  let path: String
  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/dpu-\(UInt64.random(in: 0...UInt64.max))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
  func file(_ name: String) -> String { path + "/" + name }
}

@Suite("The journal")
struct JournalTests {
  static let records: [JournalRecord] = [
    .add([(5, "flow create 0 pattern eth / end actions drop / end"), (6, "")]), .delete([5]),
    .template(id: 1, line: "flow create", fields: ["ipv4_dst"], actions: ["drop / end"]),
    .rows(template: 1, first: 9, bytes: Array(0...200)), .rows(template: 1, first: 300, bytes: []), .delete([]),
  ]

  static func read(_ path: String) throws -> (records: [JournalRecord], journal: Journal) {
    var found: [JournalRecord] = []
    let journal = try Journal(path: path, sync: .never) { number, record in
      #expect(number == UInt64(found.count + 1))
      found.append(record)
    }
    return (found, journal)
  }

  static func write(_ path: String) throws {
    let journal = try Journal(path: path, sync: .always) { _, _ in }
    for (index, record) in records.enumerated() { #expect(try journal.append(record) == UInt64(index + 1)) }
  }

  @Test("cut at any byte gives the records that were whole, and goes on from there")
  func torn() throws {
    let folder = try TestFolder()
    try Self.write(folder.file("whole"))
    let bytes = try #require(FileManager.default.contents(atPath: folder.file("whole")))
    var ends: [Int] = [16]
    for record in Self.records {
      let alone = folder.file("alone")
      try? FileManager.default.removeItem(atPath: alone)
      ends.append((ends.last ?? 0) + (try Journal(path: alone, sync: .never) { _, _ in }.sizeAfter(record)) - 16)
    }
    #expect(ends.last == bytes.count)
    for cut in 0...bytes.count {
      let path = folder.file("cut")
      try bytes.prefix(cut).write(to: URL(fileURLWithPath: path))
      let whole = max(0, ends.filter { $0 <= cut }.count - 1)
      do {
        let (found, journal) = try Self.read(path)
        #expect(found == Array(Self.records.prefix(whole)), "cut at \(cut)")
        _ = try journal.append(.delete([77]))
      }
      let (again, _) = try Self.read(path)
      #expect(again == Array(Self.records.prefix(whole)) + [.delete([77])], "cut at \(cut)")
    }
  }

  @Test("with zeros behind the end, as a file system leaves them, reads as if they were not there")
  func zeros() throws {
    let folder = try TestFolder()
    try Self.write(folder.file("j"))
    var bytes = try #require(FileManager.default.contents(atPath: folder.file("j")))
    bytes.append(Data(count: 5000))
    try bytes.write(to: URL(fileURLWithPath: folder.file("j")))
    let (found, journal) = try Self.read(folder.file("j"))
    #expect(found == Self.records)
    #expect(journal.tornBytes == 5000)
  }

  @Test("with any byte changed gives no record that was not written: damage in the middle is an error")
  func damaged() throws {
    let folder = try TestFolder()
    try Self.write(folder.file("whole"))
    let bytes = try #require(FileManager.default.contents(atPath: folder.file("whole")))
    for at in 0..<bytes.count {
      var spoiled = bytes
      spoiled[at] ^= 0x41
      try spoiled.write(to: URL(fileURLWithPath: folder.file("j")))
      guard let found = try? Self.read(folder.file("j")).records else { continue }
      #expect(found == Array(Self.records.prefix(found.count)), "byte \(at)")
    }
  }

  @Test("is one process's at a time, and no other file is taken for one")
  func strangers() throws {
    let folder = try TestFolder()
    let first = try Journal(path: folder.file("j"), sync: .never) { _, _ in }
    #expect(throws: Journal.Problem.locked(folder.file("j"))) {
      try Journal(path: folder.file("j"), sync: .never) { _, _ in }
    }
    _ = first.size
    try Data("not a journal at all".utf8).write(to: URL(fileURLWithPath: folder.file("other")))
    #expect(throws: Journal.Problem.self) { try Journal(path: folder.file("other"), sync: .never) { _, _ in } }
  }

  @Test("written anew holds what it was given, and takes more")
  func compaction() throws {
    let folder = try TestFolder()
    do {
      let journal = try Journal(path: folder.file("j"), sync: .always) { _, _ in }
      for _ in 0..<100 { for record in Self.records { _ = try journal.append(record) } }
      let before = journal.size
      try journal.compact { (put) throws(Journal.Problem) in for record in Self.records { try put(record) } }
      #expect(journal.size < before / 50)
      #expect(try journal.append(.delete([1])) == 601)
    }
    var found: [JournalRecord] = []
    let journal = try Journal(path: folder.file("j"), sync: .always) { found.append($1) }
    #expect(found == Self.records + [.delete([1])])
    #expect(journal.lastNumber == 601)
  }

  @Test("Counters are read as they were written; those of another layout are begun anew")
  func counters() throws {
    let folder = try TestFolder()
    do {
      let file = try CounterFile(path: folder.file("c"))
      #expect(!file.goesOn)
      try file.setRules(from: 7, [(1, 2), (UInt64.max, 4)])
      try file.setRules(from: 1 << 24 - 1, [(5, 6)])
      try file.setPort(65535, [1, 2, 3, 4, 5, 6])
      try file.setDrops([UInt64](0..<256))
    }
    do {
      let file = try CounterFile(path: folder.file("c"))
      #expect(file.goesOn)
      #expect(file.rules(from: 6, count: 4).map(\.frames) == [0, 1, UInt64.max, 0])
      #expect(file.rules(from: 1 << 24 - 1, count: 1)[0].bytes == 6)
      #expect(file.port(65535) == [1, 2, 3, 4, 5, 6] && file.port(3) == [0, 0, 0, 0, 0, 0])
      #expect(file.drops == [UInt64](0..<256))
    }
    var bytes = try #require(FileManager.default.contents(atPath: folder.file("c")))
    bytes[8] ^= 1
    try bytes.prefix(8192).write(to: URL(fileURLWithPath: folder.file("c")))
    let file = try CounterFile(path: folder.file("c"))
    #expect(!file.goesOn && file.rules(from: 7, count: 1)[0].frames == 0)
  }
}

extension Journal {
  /// The size with one record more.
  fileprivate func sizeAfter(_ record: JournalRecord) throws -> Int {
    _ = try append(record)
    return size
  }
}
