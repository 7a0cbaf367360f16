extension ClassifierModel.Scenario {
  private typealias Model = ClassifierModel
  private typealias Step = ClassifierModel.Step

  /// Everything that changes a table: another row for a match, rows gone and used again, two changes at once, a row
  /// moved to its second bucket, a table that grows, a table that goes.
  static var all: [Self] { [replaced, reused, together, moved, grown, gone] }

  private static func change(
    _ expected: [UInt32?], _ body: @escaping (Writer<ModelWords>, inout [Undo]) throws(ClassifierError) -> Void
  ) -> Model.Step {
    Step(
      change: { writer throws(ClassifierError) in
        var undo: [Undo] = []
        try body(writer, &undo)
      }, expected: expected)
  }

  private static var replaced: Self {
    Self(
      name: "replaced", rules: [(1, 10), (2, 20)],
      steps: [
        change([11, 20]) { writer, undo throws(ClassifierError) in
          try writer.replace(id: 1, rule: Model.rule(1), payload: 11, now: 0, undo: &undo)
        }, .reclaim, .reclaim,
        change([12, 20]) { writer, undo throws(ClassifierError) in
          try writer.replace(id: 1, rule: Model.rule(1), payload: 12, now: 0, undo: &undo)
        }, .reclaim, .reclaim,
      ], keys: [1, 2], expected: [10, 20])
  }

  private static var reused: Self {
    Self(
      name: "reused", rules: [(1, 10)],
      steps: [
        change([nil, nil]) { writer, undo throws(ClassifierError) in try writer.delete(id: 1, undo: &undo) },
        .reclaim, .reclaim,
        // Takes the row of the rule that is gone.
        change([nil, 20]) { writer, undo throws(ClassifierError) in
          try writer.add(id: 2, rule: Model.rule(2), payload: 20, now: 0, undo: &undo)
        },
        change([11, 20]) { writer, undo throws(ClassifierError) in
          try writer.add(id: 1, rule: Model.rule(1), payload: 11, now: 0, undo: &undo)
        },
      ], keys: [1, 2], expected: [10, nil])
  }

  private static var together: Self {
    Self(
      name: "together", rules: [(1, 10)],
      steps: [
        change([nil, 20]) { writer, undo throws(ClassifierError) in
          try writer.delete(id: 1, undo: &undo)
          try writer.add(id: 2, rule: Model.rule(2), payload: 20, now: 0, undo: &undo)
        }, .reclaim, .reclaim,
        change([11, nil]) { writer, undo throws(ClassifierError) in
          try writer.add(id: 1, rule: Model.rule(1), payload: 11, now: 0, undo: &undo)
          try writer.delete(id: 2, undo: &undo)
        }, .reclaim,
      ], keys: [1, 2], expected: [10, nil])
  }

  /// Two full buckets of four, so that the next row of the first makes one of it move.
  private static var moved: Self {
    let first = numbers(16) { home, other in home == 0 && other == 3 }
    let second = numbers(9) { home, other in home == 1 && other == 2 }
    let newcomer = numbers(1) { home, other in home == 0 && other == 1 }.first ?? 0
    let mover = first[0]
    return Self(
      name: "moved", rules: (first.prefix(8) + second.prefix(8)).map { ($0, $0) },
      steps: [
        change([mover, newcomer, second[0]]) { writer, undo throws(ClassifierError) in
          try writer.add(id: newcomer, rule: Model.rule(newcomer), payload: newcomer, now: 0, undo: &undo)
        },
        change([nil, newcomer, second[0]]) { writer, undo throws(ClassifierError) in
          try writer.delete(id: mover, undo: &undo)
        }, .reclaim, .reclaim,
      ], keys: [mover, newcomer, second[0]], expected: [mover, nil, second[0]])
  }

  private static var grown: Self {
    Self(
      name: "grown", rules: (1...14).map { ($0, $0) },
      steps: [
        change([1, 15]) { writer, undo throws(ClassifierError) in
          try writer.add(id: 15, rule: Model.rule(15), payload: 15, now: 0, undo: &undo)
        }, .reclaim, .reclaim,
        change([nil, 15]) { writer, undo throws(ClassifierError) in try writer.delete(id: 1, undo: &undo) },
        .reclaim, .reclaim,
      ], keys: [1, 15], expected: [1, nil])
  }

  private static var gone: Self {
    Self(
      name: "gone", rules: [(1, 10)],
      steps: [
        change([nil]) { writer, undo throws(ClassifierError) in try writer.delete(id: 1, undo: &undo) },
        .reclaim, .reclaim, .reclaim,
        change([11]) { writer, undo throws(ClassifierError) in
          try writer.add(id: 1, rule: Model.rule(1), payload: 11, now: 0, undo: &undo)
        }, .reclaim,
      ], keys: [1], expected: [10])
  }

  /// The first numbers whose buckets of four are wanted.
  private static func numbers(_ count: Int, _ wanted: (_ home: UInt32, _ other: UInt32) -> Bool) -> [UInt32] {
    var found: [UInt32] = []
    var number: UInt32 = 100
    while found.count < count {
      number += 1
      let key = Model.key(number)
      let words = [key[0], key[FlowKey.Layout.level(0) + FlowKey.Layout.addresses] & 0xffff_ffff_0000_0000]
      let hash = unsafe words.withUnsafeBufferPointer { buffer in
        unsafe buffer.baseAddress.map { unsafe ExactTable.hash($0, count: 2) } ?? 0
      }
      let home = UInt32(truncatingIfNeeded: hash) & 3
      let other = (home ^ (UInt32(ExactTable.tag(hash)) &* 0x5bd1_e995 | 1)) & 3
      if wanted(home, other) { found.append(number) }
    }
    return found
  }
}
