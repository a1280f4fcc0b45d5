// galenctl completion bash|zsh|fish: made from the grammar itself, so it cannot fall behind it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

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

std::string options(const CLI::App* app) {
  std::string out;
  for (const auto* option : app->get_options())
    for (const auto& name : option->get_lnames()) out += (out.empty() ? "--" : " --") + name;
  return out;
}

/// One case per noun and per verb: what may follow it.
std::string bash(const CLI::App& app) {
  std::string cases;
  for (const auto* noun : children(&app)) {
    cases += fmt::format("    \"{}\") words=\"{} {}\" ;;\n", noun->get_name(), names(noun), options(noun));
    for (const auto* verb : children(noun))
      cases += fmt::format("    \"{} {}\") words=\"{}\" ;;\n", noun->get_name(), verb->get_name(), options(verb));
  }
  return fmt::format(R"(# bash completion of galenctl: source <(galenctl completion bash)
_galenctl() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path="" word words skip=0
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    if [ "$skip" = 1 ]; then skip=0; continue; fi
    case "$word" in
      --json) ;;
      -*) skip=1 ;;
      *) path="${{path:+$path }}$word" ;;
    esac
  done
  case "$path" in
    "") words="{0}" ;;
{1}    *) words="" ;;
  esac
  case "$current" in
    -*) words="$words {2}" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _galenctl galenctl
)",
                     names(&app), cases, options(&app));
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

std::string fish(const CLI::App& app) {
  std::string out = "# fish completion of galenctl: galenctl completion fish | source\n";
  for (const auto* noun : children(&app)) {
    out += fmt::format("complete -c galenctl -n __fish_use_subcommand -f -a {} -d {}\n", noun->get_name(),
                       quoted(noun->get_description()));
    if (children(noun).empty())
      for (const auto* option : noun->get_options())
        for (const auto& name : option->get_lnames())
          out += fmt::format("complete -c galenctl -n '__fish_seen_subcommand_from {}' -l {} -d {}\n", noun->get_name(),
                             name, quoted(option->get_description()));
    for (const auto* verb : children(noun)) {
      auto under = fmt::format("'__fish_seen_subcommand_from {}; and not __fish_seen_subcommand_from {}'",
                               noun->get_name(), names(noun));
      out += fmt::format("complete -c galenctl -n {} -f -a {} -d {}\n", under, verb->get_name(),
                         quoted(verb->get_description()));
      for (const auto* option : verb->get_options())
        for (const auto& name : option->get_lnames())
          out += fmt::format("complete -c galenctl -n '__fish_seen_subcommand_from {}' -l {} -d {}\n", verb->get_name(),
                             name, quoted(option->get_description()));
    }
  }
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames())
      out += fmt::format("complete -c galenctl -l {} -d {}\n", name, quoted(option->get_description()));
  return out;
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
