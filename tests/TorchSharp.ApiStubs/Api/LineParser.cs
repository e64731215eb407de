namespace TorchSharp.ApiStubs.Api;

/// <summary>
/// Turns a line of the list into a type or a member.
/// </summary>
/// <remarks>
/// A line is <c>Full.Name : type modifiers kind : bases</c> or <c>Declaring.Type.Member(parameters) : kind modifiers type</c>, followed by what belongs to
/// the kind: accessors in braces, a value after <c>=</c>, constraints after <c>where</c>.
/// </remarks>
internal sealed class LineParser(string line)
{
    private static readonly string[] Modifiers =
        ["public", "protected", "internal", "private", "static", "abstract", "virtual", "override", "sealed", "readonly", "const", "new", "unsafe", "extern", "required"];

    private readonly LineReader _reader = new(line);

    public IApiEntry Parse()
    {
        var path = Path(out var isConstructor);
        var isIndexer = _reader.Accept("[");
        var parameters = isIndexer ? Parameters("]") : _reader.Accept("(") ? Parameters(")") : [];
        _reader.Expect(" : ");
        if (_reader.AcceptWord("type") is not null) return Type(new NamedType(path));

        var declaring = new NamedType(isConstructor ? path : [.. path.SkipLast(1)]);
        var kind = Kind();
        var member = new ApiMember
        {
            Line = line,
            Declaring = declaring,
            Kind = kind,
            Name = isConstructor ? ".ctor" : path[^1].Name,
            TypeParameters = isConstructor ? [] : [.. path[^1].Arguments.Cast<NamedType>().Select(name => name.Segments[0].Name)],
            Parameters = parameters,
            Modifiers = Words(Modifiers),
        };
        member = kind switch
        {
            MemberKind.Constructor => member,
            MemberKind.EnumMember => member with { Value = Value() },
            MemberKind.Property => member with { Type = Type(), Accessors = Accessors() },
            _ => member with { Type = Type(), Value = Value() },
        };
        member = member with { Constraints = Constraints(), Obsolete = Obsolete() };
        return _reader.AtEnd ? member : throw _reader.Unexpected("the end of the line");
    }

    private ApiType Type(NamedType name)
    {
        var modifiers = Words(Modifiers);
        var word = _reader.AcceptWord("class", "struct", "interface", "enum", "delegate") ?? throw _reader.Unexpected("a kind of type");
        var type = new ApiType { Line = line, Name = name, Modifiers = modifiers, Kind = Enum.Parse<TypeKind>(word, ignoreCase: true) };
        if (type.Kind == TypeKind.Delegate)
        {
            var returns = Type();
            _reader.SkipSpaces();
            _reader.Expect("(");
            type = type with { Returns = returns, Parameters = Parameters(")") };
        }
        else if (_reader.Accept(": "))
        {
            type = type with { Bases = Types() };
        }
        type = type with { Constraints = Constraints(), Obsolete = Obsolete() };
        return _reader.AtEnd ? type : throw _reader.Unexpected("the end of the line");
    }

    private MemberKind Kind() => _reader.AcceptWord("ctor", "method", "property", "field", "event", "enum") switch
    {
        "ctor" => MemberKind.Constructor,
        "method" => MemberKind.Method,
        "property" => MemberKind.Property,
        "field" => MemberKind.Field,
        "event" => MemberKind.Event,
        "enum" when _reader.Accept("-member ") => MemberKind.EnumMember,
        _ => throw _reader.Unexpected("a kind of member"),
    };

    private List<NameSegment> Path(out bool isConstructor)
    {
        List<NameSegment> path = [];
        do
        {
            if (isConstructor = _reader.Accept(".ctor")) return path;
            path.Add(Segment());
        }
        while (_reader.Accept("."));
        return path;
    }

    private NameSegment Segment() => new(_reader.Name(), _reader.Accept("<") ? Arguments() : []);

    private List<TypeReference> Arguments()
    {
        var arguments = Types();
        _reader.Expect(">");
        return arguments;
    }

    private List<TypeReference> Types()
    {
        List<TypeReference> types = [];
        do types.Add(Type());
        while (_reader.Accept(", "));
        return types;
    }

    private TypeReference Type()
    {
        TypeReference type = _reader.Accept("(") ? Tuple() : new NamedType(QualifiedName());
        List<int> ranks = [];
        while (true)
        {
            if (_reader.Accept("?")) type = new NullableType(type);
            else if (_reader.Accept("["))
            {
                var rank = 1;
                while (_reader.Accept(",")) rank++;
                _reader.Expect("]");
                ranks.Add(rank);
            }
            else break;
        }
        // The rank written last is the innermost.
        return Enumerable.Reverse(ranks).Aggregate(type, (element, rank) => new ArrayType(element, rank));
    }

    private List<NameSegment> QualifiedName()
    {
        List<NameSegment> segments = [];
        do segments.Add(Segment());
        while (_reader.Accept("."));
        return segments;
    }

    private TupleType Tuple()
    {
        List<(TypeReference, string?)> elements = [];
        do elements.Add((Type(), _reader.Accept(" ") ? _reader.Name() : null));
        while (_reader.Accept(", "));
        _reader.Expect(")");
        return new TupleType(elements);
    }

    private List<ApiParameter> Parameters(string end)
    {
        List<ApiParameter> parameters = [];
        if (_reader.Accept(end)) return parameters;
        do
        {
            var modifier = string.Join(' ', Words(["this", "ref", "out", "in", "params", "readonly", "scoped"]));
            var type = Type();
            _reader.Expect(" ");
            parameters.Add(new ApiParameter(modifier, type, _reader.Name(), _reader.Accept(" = ") ? _reader.Constant() : null));
        }
        while (_reader.Accept(", "));
        _reader.Expect(end);
        return parameters;
    }

    private List<string> Accessors()
    {
        List<string> accessors = [];
        _reader.SkipSpaces();
        _reader.Expect("{ ");
        while (!_reader.Accept("}"))
        {
            accessors.Add(string.Join(' ', Words(["public", "protected", "internal", "private", "get", "set", "init"])));
            _reader.Expect(";");
            _reader.SkipSpaces();
        }
        return accessors;
    }

    private string? Value()
    {
        _reader.SkipSpaces();
        return _reader.Accept("= ") ? _reader.Constant() : null;
    }

    private List<ApiConstraint> Constraints()
    {
        List<ApiConstraint> constraints = [];
        _reader.SkipSpaces();
        while (_reader.AcceptWord("where") is not null)
        {
            var parameter = _reader.Name();
            List<string> words = [];
            List<TypeReference> types = [];
            _reader.Expect(" : ");
            do
            {
                if (_reader.AcceptWord("class", "struct", "notnull", "unmanaged") is { } word) words.Add(word);
                else if (_reader.Accept("new()")) words.Add("new()");
                else types.Add(Type());
            }
            while (_reader.Accept(", "));
            constraints.Add(new ApiConstraint(parameter, words, types));
            _reader.SkipSpaces();
        }
        return constraints;
    }

    private Obsolescence Obsolete()
    {
        _reader.SkipSpaces();
        return _reader.Accept("[Obsolete]") ? Obsolescence.Warning : _reader.Accept("[Obsolete:error]") ? Obsolescence.Error : Obsolescence.None;
    }

    private List<string> Words(string[] words)
    {
        List<string> found = [];
        while (_reader.AcceptWord(words) is { } word) found.Add(word);
        return found;
    }
}
