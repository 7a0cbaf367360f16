import ArgumentParser
import Foundation

/// How a command prints: a table for people, or one JSON document.
struct OutputOptions: ParsableArguments {
  @Flag(name: [.customShort("j"), .long], help: "Print one JSON document.") var json = false
  @Flag(name: [.customShort("p"), .long], help: "Indent the JSON document (implies -j).") var pretty = false

  var isJSON: Bool { json || pretty }

  /// Prints `document` as JSON, or the text.
  func emit<Document: Encodable>(_ document: Document, text: () -> String) throws {
    guard isJSON else { return print(text()) }
    print(try encode(document))
  }

  func encode<Document: Encodable>(_ document: Document) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting =
      pretty ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(document), as: UTF8.self)
  }

  /// Runs a command's body; a failure is printed as the conventions say, and the process ends with its code.
  func run(_ body: () throws -> Void) throws {
    do { try body() } catch let exit as ExitCode { throw exit } catch {
      let failure = Failure(error)
      let text = isJSON ? (try? encode(FailureDocument(error: failure))) ?? failure.message : failure.text
      FileHandle.standardError.write(Data((text + "\n").utf8))
      throw ExitCode(failure.exitCode)
    }
  }
}

/// A table with aligned columns; numbers to the right.
struct Table {
  var header: [String]
  var rows: [[String]] = []

  /// The lines, without trailing blanks.
  func text() -> String {
    let all = [header] + rows
    let widths = header.indices.map { column in all.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    let numeric = header.indices.map { column in
      !rows.isEmpty
        && rows.allSatisfy {
          column >= $0.count || $0[column].isEmpty || $0[column].allSatisfy { $0.isNumber || $0 == "." || $0 == "%" }
        }
    }
    return all.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let pad = String(repeating: " ", count: max(0, widths[column] - cell.count))
        line += (column > 0 ? "  " : "") + (numeric[column] ? pad + cell : cell + pad)
      }
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}
