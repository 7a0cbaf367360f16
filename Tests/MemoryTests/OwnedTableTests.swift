import Memory
import Testing

@Suite("An owned table")
struct OwnedTableTests {
  /// Tells when it goes.
  final class Grave {
    var numbers: [Int] = []
  }

  struct Mortal: ~Copyable {
    var number: Int
    let grave: Grave
    deinit { grave.numbers.append(number) }
  }

  @Test("keeps its elements at their places, changes them there, and ends each once")
  func life() {
    let grave = Grave()
    do {
      var table = OwnedTable<Mortal>(capacity: 10)
      for number in 0..<7 { table.append(Mortal(number: number, grave: grave)) }
      table[3].number += 100
      var numbers: [Int] = []
      for index in 0..<table.count { numbers.append(table[index].number) }
      #expect(numbers == [0, 1, 2, 103, 4, 5, 6])
      #expect(grave.numbers.isEmpty)
    }
    #expect(grave.numbers.sorted() == [0, 1, 2, 4, 5, 6, 103])
  }

  @Test("gives an element out, the last in its place, and does not end it")
  func removal() {
    let grave = Grave()
    do {
      var table = OwnedTable<Mortal>(capacity: 10)
      for number in 0..<5 { table.append(Mortal(number: number, grave: grave)) }
      do {
        let out = table.remove(at: 1)
        let number = out.number
        #expect(number == 1 && grave.numbers.isEmpty)
      }
      #expect(grave.numbers == [1])
      _ = table.remove(at: table.count - 1)
      var numbers: [Int] = []
      for index in 0..<table.count { numbers.append(table[index].number) }
      #expect(numbers == [0, 4, 2])
    }
    #expect(grave.numbers.sorted() == [0, 1, 2, 3, 4])
  }
}
