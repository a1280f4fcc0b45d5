// galenctl completion bash|zsh|fish: made from the grammar itself, so it cannot fall behind it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "galenctl/context.hpp"

namespace galen::galenctl {
namespace {

std::vector<CLI::App*> children(const CLI::App* app) {
  return const_cast<CLI::App*>(app)->get_subcommands([](CLI::App*) { return true; });
}

std::string names(const CLI::App* app) {
  std::string out;
  for (const auto* child : children(app)) out += (out.empty() ? "" : " ") + child->get_name();
  return out;
}

/// Long and short; none of a positional.
std::vector<std::string> words_of(const CLI::Option* option) {
  std::vector<std::string> out;
  for (const auto& name : option->get_lnames()) out.push_back("--" + name);
  for (const auto& name : option->get_snames()) out.push_back("-" + name);
  return out;
}
bool takes_value(const CLI::Option* option) { return option->get_items_expected_max() != 0; }

/// The values of IsMember, as the help shows them: "TEXT:{raw,jcs}". Empty: anything.
std::string choices(const CLI::Option* option) {
  auto type = option->get_type_name();
  auto begin = type.find('{'), end = type.rfind('}');
  if (begin == std::string::npos || end == std::string::npos) return "";
  auto out = type.substr(begin + 1, end - begin - 1);
  std::replace(out.begin(), out.end(), ',', ' ');
  return out;
}

std::string options(const CLI::App* app, bool flags_only = false) {
  std::string out;
  for (const auto* option : app->get_options())
    for (const auto& word : words_of(option))
      if (flags_only ? !takes_value(option) : word.starts_with("--")) out += (out.empty() ? "" : " ") + word;
  return out;
}
const CLI::Option* first_positional(const CLI::App* app) {
  for (const auto* option : app->get_options())
    if (words_of(option).empty()) return option;
  return nullptr;
}

/// What may follow the words `path`, and the values of options there.
void add_bash_cases(const CLI::App* app, const std::string& path, std::string& places, std::string& values) {
  // Only where a word is no argument of the user's own are options offered before he writes a dash.
  const auto* positional = first_positional(app);
  auto next = !children(app).empty() ? names(app) : positional == nullptr ? options(app) : choices(positional);
  places += fmt::format("    \"{}\") nested={} next=\"{}\" options=\"{}\" flags=\"{}\" ;;\n", path,
                        children(app).empty() ? 0 : 1, next, options(app), options(app, true));
  for (const auto* option : app->get_options())
    for (const auto& word : words_of(option))
      if (auto known = choices(option); !known.empty())
        values += fmt::format("      \"{} {}\") next=\"{}\" ;;\n", path, word, known);
  for (const auto* child : children(app))
    add_bash_cases(child, path.empty() ? child->get_name() : path + " " + child->get_name(), places, values);
}

std::string bash(const CLI::App& app) {
  std::string places, values;
  add_bash_cases(&app, "", places, values);
  return fmt::format(R"(# bash completion of galenctl: source <(galenctl completion bash)
_galenctl_at() {{
  case "$1" in
{0}  esac
}}
_galenctl() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path="" asked="" arguments=0 word nested next options flags
  _galenctl_at ""
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    if [ -n "$asked" ]; then
      [ "$word" = "=" ] || asked=""
      continue
    fi
    case "$word" in
      -*) case " $flags {1} " in *" $word "*) ;; *) asked="$word" ;; esac ;;
      *) if [ "$nested" = 1 ]; then
           path="${{path:+$path }}$word"
           nested=0 next="" options="" flags=""
           _galenctl_at "$path"
         else
           arguments=1
         fi ;;
    esac
  done
  if [ -n "$asked" ]; then
    next=""
    case "$path $asked" in
{2}    esac
    [ "$current" != "=" ] || current=""
  else
    case "$current" in
      -*) next="$options {3}" ;;
      *) [ "$arguments" = 0 ] || next="" ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$next" -- "$current"))
}}
complete -o default -F _galenctl galenctl
)",
                     places, options(&app, true), values, options(&app));
}

std::string zsh(const CLI::App& app) {
  return "#compdef galenctl\n# zsh completion of galenctl: source <(galenctl completion zsh)\nautoload -U +X "
         "bashcompinit && "
         "bashcompinit\n" +
         bash(app);
}

std::string quoted(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '\'' ? std::string("\\'") : std::string(1, c);
  return "'" + out + "'";
}

/// The options of `app`, and the values of its first argument, where `condition` holds.
std::string fish_options(const CLI::App* app, const std::string& condition) {
  std::string out;
  for (const auto* option : app->get_options()) {
    // -r: a value follows; -x: and it is no file.
    const auto values = choices(option);
    auto value = !values.empty() ? fmt::format(" -x -a {}", quoted(values)) : takes_value(option) ? " -r" : "";
    for (const auto& name : option->get_lnames())
      out += fmt::format("complete -c galenctl{} -l {}{} -d {}\n", condition, name, value,
                         quoted(option->get_description()));
  }
  const auto* positional = first_positional(app);
  if (const auto values = positional == nullptr ? "" : choices(positional); !values.empty())
    out += fmt::format("complete -c galenctl{} -f -a {} -d {}\n", condition, quoted(values),
                       quoted(positional->get_description()));
  return out;
}

std::string fish(const CLI::App& app) {
  std::string out = "# fish completion of galenctl: galenctl completion fish | source\n";
  for (const auto* noun : children(&app)) {
    out += fmt::format("complete -c galenctl -n __fish_use_subcommand -f -a {} -d {}\n", noun->get_name(),
                       quoted(noun->get_description()));
    const auto seen = fmt::format("__fish_seen_subcommand_from {}", noun->get_name());
    if (children(noun).empty()) out += fish_options(noun, fmt::format(" -n '{}'", seen));
    for (const auto* verb : children(noun)) {
      out += fmt::format("complete -c galenctl -n '{}; and not __fish_seen_subcommand_from {}' -f -a {} -d {}\n", seen,
                         names(noun), verb->get_name(), quoted(verb->get_description()));
      // A verb's name stands below several nouns.
      out += fish_options(verb, fmt::format(" -n '{}; and __fish_seen_subcommand_from {}'", seen, verb->get_name()));
    }
  }
  return out + fish_options(&app, "");
}

}  // namespace

void add_completion(CLI::App& app, Context& context) {
  auto shell = std::make_shared<std::string>();
  auto* print = app.add_subcommand("completion", "Print completions for a shell: bash, zsh or fish")->fallthrough();
  print->add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  print->callback([&context, &app, shell] {
    context.action = [&context, &app, shell]() -> Result<int> {
      context.output.raw(*shell == "bash" ? bash(app) : *shell == "zsh" ? zsh(app) : fish(app));
      return kExitOk;
    };
  });
}

}  // namespace galen::galenctl
